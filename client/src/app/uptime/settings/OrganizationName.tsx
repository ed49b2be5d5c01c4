import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { z } from "zod";
import { useRenameOrganization } from "@/api/organizations";
import type { Organization } from "@/api/types";
import { TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { Section } from "@/components/Page";
import { placeRefusal } from "@/components/refuse";
import { announce } from "@/live/announce";

// The quick way that zod checks objects needs eval, which the content policy forbids.
z.config({ jitless: true });

const schema = z.object({ name: z.string().trim().min(1, "What is it called?") });

/** Gives the organization another name. */
export function OrganizationName({ organization }: { organization: Pick<Organization, "id" | "name"> }) {
  const { register, handleSubmit, setError, reset, formState: { errors, isDirty } } = useForm({ resolver: zodResolver(schema), defaultValues: { name: organization.name } });
  const rename = useRenameOrganization();
  const [general, setGeneral] = useState<unknown>(null);
  const submit = handleSubmit(async ({ name }) => {
    setGeneral(null);
    try {
      const renamed = await rename.mutateAsync({ id: organization.id, name });
      reset({ name: renamed.name });
      announce(`The organization is called ${renamed.name} now`);
    } catch (error) {
      setGeneral(placeRefusal(error, (path) => (path === "name" ? path : undefined), setError));
    }
  });
  return (
    <Section title="Organization">
      <form noValidate className="flex flex-wrap items-start gap-3" onSubmit={submit}>
        <TextField className="flex-[1_1_14rem]" label="Name of the organization" autoComplete="off" {...register("name")} error={errors.name?.message} />
        <button type="submit" className="button sm:mt-7" disabled={rename.isPending || !isDirty}>Rename</button>
      </form>
      {general !== null && <div className="mt-3"><Failure error={general} /></div>}
    </Section>
  );
}
