// What is shown while nobody is signed in: the way in, or the making of the first owner. The address stays as it is, so that
// one is where one wanted to go once one is in.
import { useRouterState } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { Refusal } from "@/api/refusal";
import { useNeedsSetup, useSetUp, useSignIn } from "@/api/session";
import { TextField } from "@/components/Field";
import { Failure } from "@/components/Notice";
import { useTitle, Waiting } from "@/components/Page";

export function Gate() {
  const token = useRouterState({ select: (s) => (s.location.search as { token?: string }).token });
  const setup = useNeedsSetup(true);
  if (setup.isError) return <div className="mx-auto max-w-md p-4 pt-[8vh]"><Failure error={setup.error} retry={() => void setup.refetch()} /></div>;
  if (!setup.data && setup.isPending) return <div className="mx-auto max-w-md p-4 pt-[8vh]"><Waiting rows={1} className="h-72" /></div>;
  return setup.data ? <SetUp token={token ?? ""} /> : <SignIn />;
}

function Frame({ title, about, error, children, onSubmit }: { title: string; about?: string; error: unknown; children: ReactNode; onSubmit(e: FormEvent): void }) {
  useTitle(title);
  // Errors that name a field stand there.
  const general = error instanceof Refusal && error.fields.size > 0 ? null : error;
  return (
    <div className="mx-auto max-w-md px-4 pt-[6vh] pb-10">
      <form noValidate className="card grid gap-4 p-6" onSubmit={onSubmit}>
        <div><h1>{title}</h1>{about && <p className="mt-1 text-ink-2">{about}</p>}</div>
        <Failure error={general} />
        {children}
      </form>
    </div>
  );
}

const fieldError = (error: unknown, field: string) => (error instanceof Refusal ? error.fields.get(field) : undefined);

function SignIn() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useSignIn();
  return (
    <Frame title="Sign in" error={signIn.error} onSubmit={(e) => { e.preventDefault(); signIn.mutate({ email: email.trim(), password }); }}>
      <TextField label="E-mail" type="email" name="email" autoComplete="username" autoFocus value={email} error={fieldError(signIn.error, "email")} onChange={(e) => setEmail(e.target.value)} />
      <TextField label="Password" type="password" name="password" autoComplete="current-password" value={password} error={fieldError(signIn.error, "password")} onChange={(e) => setPassword(e.target.value)} />
      <button type="submit" className="button button-main" disabled={signIn.isPending}>Sign in</button>
    </Frame>
  );
}

function SetUp({ token }: { token: string }) {
  const [values, setValues] = useState({ email: "", password: "", organization_name: "", token });
  const setUp = useSetUp();
  const bind = (name: keyof typeof values) => ({
    name, value: values[name], error: fieldError(setUp.error, name),
    onChange: (e: { target: { value: string } }) => setValues((v) => ({ ...v, [name]: e.target.value })),
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setUp.mutate({ ...values, email: values.email.trim(), organization_name: values.organization_name.trim(), token: values.token.trim() });
  };
  return (
    <Frame title="Set up" about="Nobody can sign in yet. Create the first owner." error={setUp.error} onSubmit={submit}>
      <TextField label="E-mail" type="email" autoComplete="username" autoFocus {...bind("email")} />
      <TextField label="Password" type="password" autoComplete="new-password" hint="At least 10 characters." {...bind("password")} />
      <TextField label="Organization" hint="Left empty, it is called “Default”." {...bind("organization_name")} />
      <TextField label="Token from the set-up link" autoComplete="off" {...bind("token")} />
      <button type="submit" className="button button-main" disabled={setUp.isPending}>Create the owner</button>
    </Frame>
  );
}
