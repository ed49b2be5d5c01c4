import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { type FieldPath, useForm } from "react-hook-form";
import { useChangeGroup } from "@/api/groups";
import type { Group, Monitor } from "@/api/types";
import { Dialog } from "@/components/Dialog";
import { AreaField, SelectField, TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { MonitorPicker } from "../components/MonitorPicker";
import { groupField, groupSchema, type GroupValues, levels, rules, toGroup, toGroupValues } from "./groupForm";

/** Adds a group, or changes one. What was read when it was opened is what is changed. */
export function GroupForm({ monitors, group: read, onClose }: { monitors: readonly Monitor[]; group?: Group; onClose(): void }) {
  const [group] = useState(read);
  const form = useForm<GroupValues>({ resolver: zodResolver(groupSchema), defaultValues: toGroupValues(group) });
  const { register, watch, setValue, setError, handleSubmit, formState: { errors } } = form;
  const change = useChangeGroup();
  const [general, setGeneral] = useState<unknown>(null);
  const now = watch();
  const field = (name: FieldPath<GroupValues>) => ({ ...register(name), error: errors[name as keyof GroupValues]?.message as string | undefined });
  const submit = handleSubmit(async (values) => {
    setGeneral(null);
    try {
      await change.mutateAsync({ draft: toGroup(values), id: group?.id });
      onClose();
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => groupField(values.rule, path), setError));
    }
  });
  return (
    <Dialog kind="wide" title={group ? `Edit “${group.name}”` : "Add a group"} onClose={onClose}>
      <form noValidate className="grid gap-4 *:min-w-0" onSubmit={submit}>
        <TextField label="Name" placeholder="Shop" autoComplete="off" {...field("name")} />
        <MonitorPicker legend="Members" monitors={monitors} chosen={new Set(now.monitor_ids)} error={errors.monitor_ids?.message} onChange={(ids) => setValue("monitor_ids", [...ids], { shouldValidate: Boolean(errors.monitor_ids) })} />
        <TextField label="And all with these labels" placeholder="team=web, env=prod" hint="A monitor must have all of them." autoComplete="off" {...field("labels")} />
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField label="Down when" hint="Members that are unknown, paused or in maintenance do not count." {...field("rule")}>{rules.map(([value, word]) => <option key={value} value={value}>{word}</option>)}</SelectField>
          {now.rule === "count" && <TextField label="How many" inputMode="numeric" autoComplete="off" {...field("count")} />}
          {now.rule === "percent" && <TextField label="How many percent" inputMode="numeric" autoComplete="off" {...field("percent")} />}
        </div>
        <SelectField label="Channels are told of" hint={now.level === "group" ? "Channels hear nothing of single members, nor do their alert rules about failing checks; incidents go on." : undefined} {...field("level")}>{levels.map(([value, word]) => <option key={value} value={value}>{word}</option>)}</SelectField>
        <AreaField label="Notes" rows={2} {...field("description")} />
        {general !== null && <Failure error={general} />}
        <div className="sticky bottom-0 -mx-5 -mb-4 flex justify-end gap-2 border-t border-line bg-card px-5 py-3">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-main" disabled={change.isPending}>{group ? "Save" : "Add group"}</button>
        </div>
      </form>
    </Dialog>
  );
}
