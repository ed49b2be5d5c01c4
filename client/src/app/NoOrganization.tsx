import { Empty, useTitle } from "@/components/Page";

/** Somebody is signed in who is no member anywhere, or in none that is chosen. */
export function NoOrganization() {
  useTitle("No organization");
  return (
    <div className="card mx-auto mt-8 max-w-xl">
      <Empty whole title="You are in no organization">
        <p>Choose one above at “No organization”, or make one. An admin of an organization can add you by your e-mail address; then load this page anew.</p>
      </Empty>
    </div>
  );
}
