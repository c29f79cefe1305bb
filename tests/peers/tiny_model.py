#!/usr/bin/env python3
"""A real local model server: llama.cpp's own, with a tiny model of random weights.

    python3 tiny_model.py [--port 0] [--gguf PATH] [--context 32768] [--calls] [--until-eof]
    python3 tiny_model.py --write PATH

It writes a GGUF file of half a megabyte (two layers of Llama, a vocabulary of bytes and some words),
has llama.cpp load it, and serves `/v1/models`, `/v1/chat/completions` and whatever else
`llama-server` has. What it says is words without a sense; that it arrives token by token, with usage,
reasons for the end and calls of tools that a grammar forces into form, is real. The same file comes
out each time, byte for byte.

The first line on stdout is the address. With --until-eof it ends with its stdin, else by a signal.
"""

import argparse
import array
import os
import random
import signal
import struct
import sys
import tempfile

CALL = "<tool_call>"
LAYERS = 2
EMBEDDING = 64
HEADS = 4
FEED_FORWARD = 96
CONTEXT_MAX = 32768
WORDS = """
the a and of to in is it that was for on are with as his they at be this from have or by one had not
but what all were when we there can an your which their said if do will each about how up out them
then she many some so these would other into has more her two like him see time could no make than
first been its who now people my made over did down only way find use may water long little very
after words called just where most know get through back much before go good new write our used me
man too any day same right look think also around another came come work three word must because
does part even place well such here take why things help put years different away again off went old
number great tell men say small every found still between name should home big give air line set own
""".split()

# llama.cpp learns from a template how its model writes a call, and forces it into that form.
TEMPLATE = """{%- if tools -%}
<|im_start|>system
You may call these:
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
A call is <tool_call>{"name": "...", "arguments": {...}}</tool_call><|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}"""

# How likely some tokens are: at 1.0 as likely as all words together, about. In what a grammar forces
# into form, the signs of JSON have to beat blanks, and the one that ends a string all words.
TALK = {"</s>": 1.0}
CALLS = {"</s>": 1.25, CALL: 1.1, '"': 0.9, "{": 0.5, "}": 0.5, ":": 0.5, ",": 0.5}

# Types of values and of tokens, as the GGUF specification numbers them.
UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
ALIGNMENT = 32


def tokens():
    """Returns each token with its score and its type."""
    yield "<unk>", 0.0, UNKNOWN
    yield "<s>", 0.0, CONTROL
    yield "</s>", 0.0, CONTROL
    for byte in range(256):
        yield f"<0x{byte:02X}>", 0.0, BYTE
    pieces = ["\u2581" + word for word in dict.fromkeys(WORDS)]
    yield CALL, 0.0, USER_DEFINED
    # Without the letters no text could be put together from smaller pieces.
    pieces += [chr(letter) for letter in range(0x21, 0x7F)] + ["\u2581"]
    for rank, piece in enumerate(pieces):
        yield piece, -float(rank), NORMAL


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, it):
    if kind == STRING:
        return string(it)
    return struct.pack({UINT32: "<I", FLOAT32: "<f", BOOL: "<?", INT32: "<i"}[kind], it)


def pair(name, kind, it):
    return string(name) + struct.pack("<I", kind) + value(kind, it)


def pairs_of_array(name, kind, them):
    head = string(name) + struct.pack("<IIQ", ARRAY, kind, len(them))
    return head + b"".join(value(kind, it) for it in them)


def tensors(vocabulary, likely):
    """Returns each tensor with its shape (the innermost dimension first) and its values.

    Nothing changes the first dimension, so that a weight of the output there makes a token more
    likely whatever came before it.
    """
    chance = random.Random(20)

    def noise(width, rows, spread):
        return (width, rows), array.array("f", (chance.gauss(0.0, spread) for _ in range(width * rows)))

    def kept(width, rows):
        shape, values = noise(width, rows, 0.1)
        values[:width] = array.array("f", [0.0] * width)
        return shape, values

    def ones():
        return (EMBEDDING,), array.array("f", [1.0] * EMBEDDING)

    shape, values = noise(EMBEDDING, len(vocabulary), 0.5)
    for token in range(len(vocabulary)):
        values[token * EMBEDDING] = 8.0
    yield "token_embd.weight", shape, values
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", *ones()
        for name in ("attn_q", "attn_k", "attn_v"):
            yield f"{block}{name}.weight", *noise(EMBEDDING, EMBEDDING, 0.1)
        yield block + "attn_output.weight", *kept(EMBEDDING, EMBEDDING)
        yield block + "ffn_norm.weight", *ones()
        yield block + "ffn_gate.weight", *noise(EMBEDDING, FEED_FORWARD, 0.1)
        yield block + "ffn_up.weight", *noise(EMBEDDING, FEED_FORWARD, 0.1)
        yield block + "ffn_down.weight", *kept(FEED_FORWARD, EMBEDDING)
    yield "output_norm.weight", *ones()
    # Only whole words have weights of their own, so that what is said is words.
    shape, values = noise(EMBEDDING, len(vocabulary), 0.5)
    for token, (piece, _, kind) in enumerate(vocabulary):
        first = token * EMBEDDING
        if kind != NORMAL or len(piece) == 1:
            values[first : first + EMBEDDING] = array.array("f", [0.0] * EMBEDDING)
        values[first] = likely.get(piece, 0.0)
    yield "output.weight", shape, values


def write(path, likely):
    vocabulary = list(tokens())
    pieces, scores, kinds = zip(*vocabulary)
    meta = [
        pair("general.architecture", STRING, "llama"),
        pair("general.name", STRING, "tiny"),
        pair("general.alignment", UINT32, ALIGNMENT),
        pair("llama.context_length", UINT32, CONTEXT_MAX),
        pair("llama.embedding_length", UINT32, EMBEDDING),
        pair("llama.block_count", UINT32, LAYERS),
        pair("llama.feed_forward_length", UINT32, FEED_FORWARD),
        pair("llama.attention.head_count", UINT32, HEADS),
        pair("llama.attention.head_count_kv", UINT32, HEADS),
        pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        pair("llama.rope.dimension_count", UINT32, EMBEDDING // HEADS),
        pair("llama.vocab_size", UINT32, len(vocabulary)),
        pair("tokenizer.ggml.model", STRING, "llama"),
        pairs_of_array("tokenizer.ggml.tokens", STRING, pieces),
        pairs_of_array("tokenizer.ggml.scores", FLOAT32, scores),
        pairs_of_array("tokenizer.ggml.token_type", INT32, kinds),
        pair("tokenizer.ggml.unknown_token_id", UINT32, 0),
        pair("tokenizer.ggml.bos_token_id", UINT32, 1),
        pair("tokenizer.ggml.eos_token_id", UINT32, 2),
        pair("tokenizer.ggml.add_bos_token", BOOL, True),
        pair("tokenizer.chat_template", STRING, TEMPLATE),
    ]
    index, data = [], bytearray()
    for name, shape, values in tensors(vocabulary, likely):
        place = struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        index.append(string(name) + place + struct.pack("<IQ", 0, len(data)))
        data += values.tobytes()
        data += bytes(-len(data) % ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(index), len(meta)) + b"".join(meta + index)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT) + data)


def serve(gguf, port, context):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.model_alias = {"tiny"}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = context
    params.n_parallel = 2
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.verbosity = 0
    return xllamacpp.Server(params)


def main():
    parser = argparse.ArgumentParser(description="llama.cpp's server with a tiny model of random weights")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gguf", help="where the model is written, instead of a temporary folder")
    parser.add_argument("--context", type=int, default=CONTEXT_MAX, help="tokens of all conversations together")
    parser.add_argument("--write", metavar="PATH", help="only writes the model")
    parser.add_argument("--calls", action="store_true", help="it calls the tools that it is offered, now and then")
    parser.add_argument("--until-eof", action="store_true")
    options = parser.parse_args()
    likely = CALLS if options.calls else TALK
    if options.write:
        write(options.write, likely)
        return
    # Stops as a person's Ctrl-C does, so that the folder goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="tiny-model-") as folder:
        gguf = options.gguf or os.path.join(folder, "tiny.gguf")
        write(gguf, likely)
        server = serve(gguf, options.port, options.context)
        print(server.listening_address, flush=True)
        try:
            if options.until_eof:
                sys.stdin.read()
            else:
                signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
