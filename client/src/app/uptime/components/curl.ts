// Reads a curl command, as people copy it from a browser or a manual, into the form.
import { type FormValues, methods } from "./monitorForm";

export interface FromCurl {
  values: Partial<FormValues>;
  /** What the form has no field for. */
  ignored: string[];
}

const escapes: Record<string, string> = { n: "\n", r: "\r", t: "\t", "\\": "\\", "'": "'", '"': '"' };

/** Splits a command as a POSIX shell does; it runs nothing and expands nothing. */
export function splitShell(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  const source = text.replace(/\\\r?\n/g, " ");
  for (let i = 0; i < source.length; i++) {
    const c = source[i]!;
    if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= "";
    const ansi = c === "$" && source[i + 1] === "'";
    if (c === "'" || ansi) {
      let j = i + (ansi ? 2 : 1);
      for (; source[j] !== "'"; j++) {
        if (j >= source.length) throw new Error("A quote is not closed.");
        if (!ansi || source[j] !== "\\") word += source[j];
        else {
          const code = /^u([0-9a-f]{4})|^x([0-9a-f]{2})/i.exec(source.slice(j + 1, j + 6));
          word += code ? String.fromCharCode(Number.parseInt(code[1] ?? code[2]!, 16)) : (escapes[source[j + 1]!] ?? `\\${source[j + 1]}`);
          j += code ? code[0].length : 1;
        }
      }
      i = j;
    } else if (c === '"') {
      let j = i + 1;
      for (; source[j] !== '"'; j++) {
        if (j >= source.length) throw new Error("A quote is not closed.");
        if (source[j] === "\\" && /["\\$`]/.test(source[j + 1] ?? "")) j++;
        word += source[j];
      }
      i = j;
    } else if (c === "\\" && i + 1 < source.length) word += source[++i];
    else word += c;
  }
  if (word !== undefined) words.push(word);
  return words;
}

// Short options with a value, and what they are called at length.
const short: Record<string, string> = { X: "request", H: "header", d: "data", u: "user", A: "user-agent", b: "cookie", e: "referer", m: "max-time", o: "output", x: "proxy", F: "form", c: "cookie-jar", w: "write-out", T: "upload-file", K: "config" };
const harmless = new Set(["compressed", "location", "silent", "show-error", "verbose", "include", "fail", "globoff", "http1.1", "http2", "output", "write-out", "cookie-jar", "progress-bar", "no-progress-meter"]);
const long = new Set([...Object.values(short), "url", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json", "oauth2-bearer", "connect-timeout", "retry", "cacert", "cert", "key", "resolve", "ciphers"]);
const switches: Record<string, string> = { I: "head", k: "insecure", L: "location", s: "silent", S: "show-error", v: "verbose", i: "include", f: "fail", g: "globoff", G: "get" };

/** Reads options as curl does; -XPOST and --request=POST are one word with a value. */
function* options(words: readonly string[]): Generator<[name: string, value: string]> {
  for (let i = 0; i < words.length; i++) {
    const w = words[i]!;
    const take = (name: string) => {
      const value = words[++i];
      if (value === undefined) throw new Error(`${name} has no value.`);
      return value;
    };
    if (w.startsWith("--")) yield long.has(w.slice(2)) ? [w.slice(2), take(w)] : [w.slice(2), ""];
    else if (w.startsWith("-") && w.length > 1) {
      for (let j = 1; j < w.length; j++) {
        const name = short[w[j]!];
        if (name) {
          yield [name, j + 1 < w.length ? w.slice(j + 1) : take(`-${w[j]}`)];
          break;
        }
        yield [switches[w[j]!] ?? w[j]!, ""];
      }
    } else yield ["url", w];
  }
}

/** Reads a curl command. Throws an Error that says why a text is none. */
export function fromCurl(text: string): FromCurl {
  const words = splitShell(text.trim().replace(/^\$\s+/, ""));
  if (words.shift() !== "curl") throw new Error("That is no curl command: it must begin with “curl”.");
  const ignored: string[] = [];
  const headers: [string, string][] = [];
  const data: string[] = [];
  const values: Partial<FormValues> = { monitor_type: "http" };
  const has = (name: string) => headers.some(([n]) => n.toLowerCase() === name);
  let method = "";
  for (const [name, value] of options(words)) {
    switch (name) {
      case "url": if (values.url === undefined) values.url = /^[a-z]+:\/\//i.test(value) ? value : `http://${value}`; else ignored.push(value); break;
      case "request": method = value.toUpperCase(); break;
      case "head": method ||= "HEAD"; break;
      case "header": {
        const at = value.indexOf(":");
        const bearer = /^authorization:\s*bearer\s+(.+)$/i.exec(value);
        if (bearer) Object.assign(values, { auth_type: "bearer", secret: bearer[1]!.trim() });
        else if (at > 0) headers.push([value.slice(0, at).trim(), value.slice(at + 1).trim()]);
        else ignored.push(`-H ${value}`);
        break;
      }
      case "user-agent": headers.push(["User-Agent", value]); break;
      case "referer": headers.push(["Referer", value]); break;
      case "cookie": if (value.includes("=")) headers.push(["Cookie", value]); else ignored.push("--cookie from a file"); break;
      case "oauth2-bearer": Object.assign(values, { auth_type: "bearer", secret: value }); break;
      case "user": Object.assign(values, { auth_type: "basic", username: value.split(":")[0], secret: value.split(":").slice(1).join(":") }); break;
      case "max-time": if (Number(value) > 0) values.timeout_ms = String(Math.round(Number(value) * 1000)); break;
      case "json":
        if (!has("content-type")) headers.push(["Content-Type", "application/json"]);
        if (!has("accept")) headers.push(["Accept", "application/json"]);
        data.push(value);
        break;
      case "data-raw": data.push(value); break;
      case "data": case "data-ascii": case "data-binary": if (value.startsWith("@")) ignored.push(`--${name} from a file`); else data.push(value); break;
      default: if (!harmless.has(name)) ignored.push(name.length === 1 ? `-${name}` : `--${name}`);
    }
  }
  if (!values.url) throw new Error("The command names no address.");
  if (data.length > 0) {
    values.body = data.join("&");
    if (!has("content-type")) headers.push(["Content-Type", "application/x-www-form-urlencoded"]);
  }
  method ||= data.length > 0 ? "POST" : "GET";
  if (!(methods as readonly string[]).includes(method)) throw new Error(`The method ${method} is not one that a check can use.`);
  return { values: { ...values, method, headers: headers.map(([n, v]) => `${n}: ${v}`).join("\n") }, ignored };
}
