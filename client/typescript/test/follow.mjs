// Follow topics and print each frame as a line of JSON, at most one for each line of the standard input:
//   node follow.mjs URL NETWORK KEY TOPICS [websocket] < lines
import { createInterface } from "node:readline";
import { Client, Key, writeJson } from "../build/index.js";

const [url, network, key, topics, socket] = process.argv.slice(2);
const retries = { attempts: 200, firstWait: 0.05, longestWait: 0.1 };
const client = new Client(url, { network, retries, ...(key === "-" ? {} : { signer: new Key(key) }) });
const frames = client.follow(topics.split(","), "", { websocket: socket === "websocket" })[Symbol.asyncIterator]();
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    const { value } = await frames.next();
    console.log(writeJson({ frame: value }));
  } catch (error) {
    console.log(writeJson({ code: error.code, why: error.message }));
    break;
  }
}
process.exit(0);
