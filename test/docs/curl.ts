/** As much of curl as the pages use, for machines without it: `-s`, `-i`, `-X`, `-H`, `-d`, one address. */
import { request } from "node:http";

const headers: Record<string, string> = {};
let [url, method, body, head] = ["", "", "", false];
const args = process.argv.slice(2);
for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
  if (arg === "-s") continue;
  else if (arg === "-i") head = true;
  else if (arg === "-X") method = args.shift() ?? "";
  else if (arg === "-d") body = args.shift() ?? "";
  else if (arg === "-H") {
    const [name = "", value = ""] = (args.shift() ?? "").split(/: *(.*)/s);
    headers[name.toLowerCase()] = value;
  } else url = arg.includes("://") ? arg : `http://${arg}`;
}
method ||= body === "" ? "GET" : "POST";
// node:http rather than fetch, which lets nobody set Host.
const sent = request(
  url,
  { method, headers: { ...headers, "content-length": Buffer.byteLength(body) } },
  (answer) => {
    if (head) process.stdout.write(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\n`);
    answer.pipe(process.stdout);
  },
);
sent.end(body);
