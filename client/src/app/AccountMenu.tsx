import { Check, FileCode, LogOut, Monitor, Moon, Sun, UserRound } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useSignOut } from "@/api/session";
import type { Session } from "@/api/types";
import { chooseScheme, type SchemeChoice, useSchemeChoice } from "@/theme";

const schemes: { choice: SchemeChoice; word: string; icon: typeof Sun }[] = [
  { choice: "system", word: "As the system", icon: Monitor },
  { choice: "light", word: "Light", icon: Sun },
  { choice: "dark", word: "Dark", icon: Moon },
];

/** Who is signed in, light or dark, and the way out. */
export function AccountMenu({ session }: { session?: Session }) {
  const signOut = useSignOut();
  const chosen = useSchemeChoice();
  return (
    // Not modal: the modal form puts a style element into the page, which the content policy forbids.
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="button button-plain button-icon" aria-label={session ? "Account and appearance" : "Appearance"}>
        {session ? <UserRound className="size-5" aria-hidden /> : <Sun className="size-5" aria-hidden />}
      </DropdownMenu.Trigger>
      <DropdownMenu.Content className="menu" align="end" sideOffset={6}>
        {session && (
          <div className="border-b border-line px-2.5 pt-1 pb-2.5">
            <p className="font-medium">{session.user?.email}</p>
            <p className="text-sm text-ink-2">{[session.organization?.name, session.organization?.role].filter(Boolean).join(" · ")}</p>
          </div>
        )}
        <DropdownMenu.RadioGroup value={chosen} onValueChange={(value) => chooseScheme(value as SchemeChoice)} aria-label="Light or dark">
          {schemes.map(({ choice, word, icon: Icon }) => (
            <DropdownMenu.RadioItem key={choice} value={choice} className="menu-item">
              <Icon className="size-4" aria-hidden />{word}
              <DropdownMenu.ItemIndicator className="ml-auto"><Check className="size-4" aria-hidden /></DropdownMenu.ItemIndicator>
            </DropdownMenu.RadioItem>
          ))}
        </DropdownMenu.RadioGroup>
        <DropdownMenu.Separator className="my-1 border-t border-line" />
        <DropdownMenu.Item className="menu-item" asChild><a href="/api/docs"><FileCode className="size-4" aria-hidden />REST interface</a></DropdownMenu.Item>
        {session && <DropdownMenu.Item className="menu-item" onSelect={() => signOut.mutate()}><LogOut className="size-4" aria-hidden />Sign out</DropdownMenu.Item>}
      </DropdownMenu.Content>
    </DropdownMenu.Root>
  );
}
