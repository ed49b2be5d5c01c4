import { Navigate } from "@tanstack/react-router";

/** Somebody is signed in, so there is nothing to set up; the token leaves the address. */
export default function AlreadySetUp() {
  return <Navigate to="/uptime" replace />;
}
