import { expect, it } from "vitest";
import { snippets } from "./badgeSnippets";

it("writes addresses", () => {
  expect(Object.fromEntries(snippets("https://up.example", { name: "api" }, "tok", "uptime"))).toEqual({
    Markdown: "![Uptime of api](https://up.example/api/uptime/badges/tok/uptime.svg)",
    HTML: '<img src="https://up.example/api/uptime/badges/tok/uptime.svg" alt="Uptime of api" height="20">',
    "For shields.io": "https://up.example/api/uptime/badges/tok/uptime.json",
  });
});

it("keeps names from meaning something", () => {
  const { Markdown, HTML } = Object.fromEntries(snippets("https://up.example", { name: '"><img onerror=x>](javascript:x) `*' }, "tok", "status"));
  expect(HTML).toBe('<img src="https://up.example/api/uptime/badges/tok/status.svg" alt="State of &#34;&#62;&#60;img onerror=x&#62;](javascript:x) `*" height="20">');
  expect(Markdown).toBe('![State of "\\>\\<img onerror=x\\>\\]\\(javascript:x\\) \\`\\*](https://up.example/api/uptime/badges/tok/status.svg)');
});
