import "./styles.css";
import "./theme";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { isPassing, isSignedOut } from "./api/refusal";
import { sessionKey } from "./api/session";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { router } from "./router";

const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // Whatever learns first that the session is over makes the layout ask, and the layout shows the way in.
    onError: (error, query) => {
      if (isSignedOut(error) && query.queryKey[0] !== sessionKey[0]) void queries.invalidateQueries({ queryKey: sessionKey });
    },
  }),
  defaultOptions: {
    queries: { retry: (failures, error) => failures < 2 && isPassing(error), staleTime: 5_000 },
    mutations: { networkMode: "always" },
  },
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ErrorBoundary>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </ErrorBoundary>
  </StrictMode>,
);
