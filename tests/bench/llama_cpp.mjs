// New tokens a second of llama.cpp, the peer of generation.rs.
//
//     npm install --ignore-scripts node-llama-cpp@3.22.1
//     node llama_cpp.mjs MODEL.gguf PROMPTS ANSWERS PROMPT_TOKENS NEW THREADS
//
// All answers are decoded together, drawn at temperature 1 from the whole vocabulary, and none ends
// before NEW tokens. Every answer reads its prompt itself: sequences of this interface share nothing.

import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import {resolve} from "node:path";

const require = createRequire(pathToFileURL(resolve("./")).href + "/");
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const [path, ...numbers] = process.argv.slice(2);
const [prompts, answers, promptTokens, fresh, threads] = numbers.map(Number);

const llama = await getLlama({gpu: false, build: "never", maxThreads: threads});
const model = await llama.loadModel({modelPath: path});
const n = prompts * answers;
const context = await model.createContext({
    sequences: n,
    contextSize: promptTokens + fresh + 8,
    batchSize: Math.max(512, n),
    threads,
});
const sequences = Array.from({length: n}, () => context.getSequence());

async function answer(sequence, prompt) {
    await sequence.clearHistory();
    const tokens = Array.from({length: promptTokens}, (_, i) => (i * 7919 + prompt * 104729) % 400 + 3);
    let count = 0;
    const drawn = sequence.evaluate(tokens, {temperature: 1, topK: 0, topP: 1, minP: 0, yieldEogToken: true});
    for await (const _ of drawn) {
        if (++count === fresh) break;
    }
    return count;
}

let rate = 0;
for (let round = 0; round < 2; round++) {
    const begin = performance.now();
    const counts = await Promise.all(sequences.map((it, i) => answer(it, Math.floor(i / answers))));
    rate = counts.reduce((a, b) => a + b, 0) / ((performance.now() - begin) / 1000);
}
console.log(rate);
process.exit(0);
