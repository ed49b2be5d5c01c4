import "./styles.css";
import "./theme";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { sessionQueries } from "./api/queries";
import { followSession } from "./api/session";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { router } from "./router";

sessionQueries.mount();
followSession();

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ErrorBoundary>
      <RouterProvider router={router} />
    </ErrorBoundary>
  </StrictMode>,
);
