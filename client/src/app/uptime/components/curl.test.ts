import { describe, expect, it } from "vitest";
import { fromCurl, splitShell } from "./curl";

it("splits as a shell does", () => {
  expect(splitShell(`curl 'a b' "c \\"d\\" $e" f\\ g \\\n  $'h\\n\\u0041\\'i' ''`)).toEqual(["curl", "a b", 'c "d" $e', "f g", "h\nA'i", ""]);
  expect(() => splitShell("curl 'a")).toThrow("not closed");
});

describe("fromCurl", () => {
  it("reads what a browser copies", () => {
    expect(fromCurl(`curl 'https://example.com/api?a=1&b=2' \\\n  -H 'accept: */*' \\\n  -H 'content-type: application/json' \\\n  --data-raw '{"a":1}' \\\n  --compressed`)).toEqual({
      values: { monitor_type: "http", url: "https://example.com/api?a=1&b=2", method: "POST", body: '{"a":1}', headers: "accept: */*\ncontent-type: application/json" }, ignored: [],
    });
  });
  it("reads what is signed in, and keeps it out of the headers", () => {
    expect(fromCurl("curl -u me:se:cret example.com").values).toEqual({ monitor_type: "http", url: "http://example.com", method: "GET", headers: "", auth_type: "basic", username: "me", secret: "se:cret" });
    expect(fromCurl("curl -H 'Authorization: Bearer abc' https://a").values).toMatchObject({ auth_type: "bearer", secret: "abc", headers: "" });
  });
  it("reads options in one word, and lengths", () => expect(fromCurl("curl -sSLXPUT -m 2.5 https://a -d x=1 -d y=2").values).toEqual({ monitor_type: "http", url: "https://a", method: "PUT", timeout_ms: "2500", body: "x=1&y=2", headers: "Content-Type: application/x-www-form-urlencoded" }));
  it("says what it leaves out", () => expect(fromCurl("curl -k --data-binary @file --proxy http://p -I https://a").ignored).toEqual(["--insecure", "--data-binary from a file", "--proxy"]));
  it("says why a text is none", () => {
    expect(() => fromCurl("wget https://a")).toThrow("no curl command");
    expect(() => fromCurl("curl -s")).toThrow("no address");
    expect(() => fromCurl("curl -X PURGE https://a")).toThrow("PURGE");
    expect(() => fromCurl("curl https://a -H")).toThrow("no value");
  });
});
