import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { useCreateOrganization } from "@/api/organizations";
import { Dialog } from "@/components/Dialog";
import { TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { placeRefusal } from "@/components/refuse";
import { useMoveTo } from "./useMoveTo";

// The quick way that zod checks objects needs eval, which the content policy forbids.
z.config({ jitless: true });

const schema = z.object({ name: z.string().trim().min(1, "What is it called?") });

/** Makes an organization, and goes there. */
export function NewOrganization({ onClose }: { onClose(): void }) {
  const { register, handleSubmit, setError, formState: { errors } } = useForm({ resolver: zodResolver(schema), defaultValues: { name: "" } });
  const create = useCreateOrganization();
  const moveTo = useMoveTo();
  const [general, setGeneral] = useState<unknown>(null);
  const submit = handleSubmit(async ({ name }) => {
    setGeneral(null);
    try {
      const made = await create.mutateAsync(name);
      onClose();
      moveTo(made);
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => (path === "name" ? path : undefined), setError));
    }
  });
  return (
    <Dialog title="New organization" onClose={onClose}>
      <form noValidate className="grid gap-4" onSubmit={submit}>
        <p className="text-ink-2">It has monitors, channels, keys and members of its own, and sees nothing of others. You are its owner.</p>
        <TextField label="Name" autoComplete="off" {...register("name")} error={errors.name?.message} />
        {general !== null && <Failure error={general} />}
        <div className="flex justify-end gap-2">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-main" disabled={create.isPending}>Make it</button>
        </div>
      </form>
    </Dialog>
  );
}
