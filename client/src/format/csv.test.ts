import { expect, test } from "vitest";
import { csv } from "./csv";

test("a table is written as RFC 4180 has it", () => {
  expect(csv(["name", "n"], [["a, \"b\"", 1], ["two\nlines", null], ["", true]])).toBe('name,n\r\n"a, ""b""",1\r\n"two\nlines",\r\n,true\r\n');
});

test("no text becomes a formula, and numbers stay numbers", () => {
  expect(csv(["x"], [["=1+1"], ["+1"], ["-1"], ["@a"], ["\tb"], [-1]])).toBe("x\r\n'=1+1\r\n'+1\r\n'-1\r\n'@a\r\n'\tb\r\n-1\r\n");
  expect(csv(["x"], [['=HYPERLINK("a","b")']])).toBe("x\r\n\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\"\r\n");
});
