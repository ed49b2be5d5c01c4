import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The server that `npm run dev` passes the API's requests to.
const server = process.env.FROGUP_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { proxy: { "/api": server, "/healthz": server } },
  build: {
    // The gateway embeds this folder, so that a machine with Go alone builds the product.
    outDir: "../services/gateway/page/app",
    emptyOutDir: true,
    // Browsers with light-dark(), <dialog> and nested CSS: everything since the spring of 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    // The content policy has no data: for scripts and styles, and what is inlined cannot be cached by its hash.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
