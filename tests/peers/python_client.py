#!/usr/bin/env python3
"""The official Python SDK as a client of the gateway, before the fixture `misbehave`.

    python3 python_client.py URL [TOKEN] [--prefix misbehave__] [--mode legacy] [CHECK...]

Without CHECKs it runs all. TOKEN may also be in ARCHESTRA_TOKEN, and `-` is none. --prefix is what
the gateway puts before the names of tools and prompts: `misbehave__` on /mcp, nothing on
/mcp/{slug}. Each check prints one line {"check", "ok", "detail"}; the exit code is 1 when one of
them fails, and 64 when a check is not known.
"""

import argparse
import json
import os
import sys
import time
import uuid

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

CHECK_S = 30
WAIT_S = 10


class Peer:
    """The client with what it has been asked and told."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.client = None
        self.logs = []
        self.notifications = []
        self.asked = []
        self.changed = anyio.Event()

    def told(self):
        event, self.changed = self.changed, anyio.Event()
        event.set()

    async def until(self, level):
        """Waits for a level, which is tried after everything that comes."""
        with anyio.fail_after(WAIT_S):
            while not level():
                await self.changed.wait()

    async def on_log(self, params):
        self.logs.append(params)
        self.told()

    async def on_message(self, message):
        self.notifications.append(message)
        self.told()

    async def on_elicitation(self, _context, params):
        self.asked.append(params)
        return types.ElicitResult(action="accept", content={"colour": "blue", "count": 3})

    async def on_sampling(self, _context, params):
        self.asked.append(params)
        content = types.TextContent(type="text", text="forty-two")
        return types.CreateMessageResult(role="assistant", content=content, model="no-model", stop_reason="endTurn")

    async def on_roots(self, _context):
        self.asked.append("roots")
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/somebody", name="home")])

    async def call(self, tool, arguments=None, **more):
        return await self.client.call_tool(f"{self.prefix}{tool}", arguments or {}, **more)

    async def json(self, tool, arguments=None):
        return json.loads(text_of(await self.call(tool, arguments)))

    async def all_tools(self):
        return await self.pages(lambda cursor: self.client.list_tools(cursor=cursor, cache_mode="refresh"), "tools")

    async def all_resources(self):
        return await self.pages(lambda cursor: self.client.list_resources(cursor=cursor, cache_mode="refresh"), "resources")

    async def all_templates(self):
        return await self.pages(
            lambda cursor: self.client.list_resource_templates(cursor=cursor, cache_mode="refresh"), "resource_templates"
        )

    async def all_prompts(self):
        return await self.pages(lambda cursor: self.client.list_prompts(cursor=cursor, cache_mode="refresh"), "prompts")

    async def pages(self, fetch, field):
        found, cursor = [], None
        for _ in range(1000):
            page = await fetch(cursor)
            found += getattr(page, field)
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise AssertionError(f"more than 1000 pages of {field}")

    async def resource(self, ending):
        """A gateway may put its own before an address, so it is looked for by its end."""
        return one(await self.all_resources(), lambda resource: str(resource.uri).endswith(ending), ending).uri

    async def prompt(self, ending):
        name = f"{self.prefix}{ending}"
        return one(await self.all_prompts(), lambda prompt: prompt.name == name, name).name

    async def note_template(self):
        ending = "misbehave://note/{name}"
        found = one(await self.all_templates(), lambda template: template.uri_template.endswith(ending), ending)
        return found.uri_template


async def initialize(peer):
    capabilities = peer.client.server_capabilities
    expect(capabilities.tools is not None, "the server has no tools")
    info = peer.client.server_info
    return {"version": peer.client.protocol_version, "server": info.name if info else None}


async def ping(peer):
    await peer.client.send_ping()
    return "answered"


async def tools(peer):
    names = [tool.name for tool in await peer.all_tools()]
    for tool in ("echo", "sleep", "structured", "whoami"):
        expect(f"{peer.prefix}{tool}" in names, f"{peer.prefix}{tool} is not among {names[:20]}")
    expect(len(names) == len(set(names)), "a name is there twice")
    return {"count": len(names)}


async def call(peer):
    said = f"žluťoučký 🦀 {uuid.uuid4()}"
    result = await peer.call("echo", {"text": said})
    expect(text_of(result) == said and not result.is_error, f"echo answered {result}")
    return said


async def tool_error(peer):
    result = await peer.call("fail")
    expect(result.is_error, "isError is not set")
    return text_of(result)


async def unknown_tool(peer):
    try:
        result = await peer.call("there-is-no-such-tool")
    except MCPError as err:
        return {"code": err.code, "message": err.message}
    expect(result.is_error, "a tool that does not exist has answered")
    return {"is_error": text_of(result)}


async def structured(peer):
    # The SDK refuses a whole result with a block of a type that it does not know.
    content = (await peer.call("structured", {"known_blocks": True})).structured_content
    expect(content["big"] == 18446744073709551615, "an integer has changed")
    expect(content["huge"] == 123456789012345678901234567890, "a long integer has changed")
    expect(content["list"][0]["deep"]["deeper"]["unknown"] == 9007199254740993, "a deep integer has changed")
    expect(list(content)[:2] == ["zeta", "alpha"], "the order of keys has changed")
    expect("x-unknown" in content and "" in content, "an unknown field is lost")
    return {"keys": len(content)}


async def big(peer):
    size = 512 * 1024  # the SDK reads events of up to 1 MiB
    answered = len(text_of(await peer.call("big", {"bytes": size})))
    expect(answered == size, f"{answered} bytes for {size}")
    return {"bytes": answered}


async def resources(peer):
    uris = [str(resource.uri) for resource in await peer.all_resources()]
    expect(any(uri.endswith("misbehave://hello") for uri in uris), f"misbehave://hello is not among {uris}")
    return uris


async def templates(peer):
    return await peer.note_template()


async def read(peer):
    result = await peer.client.read_resource(await peer.resource("misbehave://hello"), cache_mode="refresh")
    expect(result.contents[0].text == "hello from misbehave", f"read {result.contents}")
    note = (await peer.note_template()).replace("{name}", "a%20b")
    result = await peer.client.read_resource(note, cache_mode="refresh")
    expect(result.contents[0].text == "the note a b", f"read {result.contents}")
    blob = await peer.client.read_resource(await peer.resource("misbehave://pixel"), cache_mode="refresh")
    expect(len(blob.contents[0].blob) > 50, "the blob is empty")
    return {"uri": str(result.contents[0].uri)}


async def unknown_resource(peer):
    try:
        await peer.client.read_resource("misbehave://there-is-no-such-resource", cache_mode="refresh")
    except MCPError as err:
        return {"code": err.code, "message": err.message}
    raise AssertionError("a resource that does not exist was read")


async def subscribe(peer):
    uri = str(await peer.resource("misbehave://counter"))

    def updates():
        return [note for note in peer.notifications if isinstance(note, types.ResourceUpdatedNotification)]

    await peer.client.subscribe_resource(uri)
    before = len(updates())
    await peer.call("touch")
    await peer.until(lambda: len(updates()) > before)
    expect(str(updates()[-1].params.uri) == uri, f"updated {updates()[-1].params.uri}, subscribed {uri}")
    await peer.client.unsubscribe_resource(uri)
    return {"uri": uri}


async def prompts(peer):
    plain, paint = await peer.prompt("plain"), await peer.prompt("paint")
    result = await peer.client.get_prompt(paint, {"colour": "blue", "thing": "the sky"})
    expect(result.messages[0].content.text == "Paint the sky blue.", f"got {result.messages}")
    result = await peer.client.get_prompt(plain)
    expect(result.messages[0].content.text == "Say hello.", f"got {result.messages}")
    return [plain, paint]


async def completion(peer):
    ref = types.PromptReference(type="ref/prompt", name=await peer.prompt("paint"))
    prompt = (await peer.client.complete(ref, {"name": "colour", "value": "bl"})).completion.values
    expect(prompt == ["blue", "black"], f"for a prompt {prompt}")
    ref = types.ResourceTemplateReference(type="ref/resource", uri=await peer.note_template())
    template = (await peer.client.complete(ref, {"name": "name", "value": "g"})).completion.values
    expect(template == ["green"], f"for a template {template}")
    return {"prompt": prompt, "template": template}


async def progress(peer):
    seen = []

    async def on_progress(progress, total, message):
        seen.append((progress, total, message))

    expect(text_of(await peer.call("sleep", {"ms": 550}, progress_callback=on_progress)) == "slept 550 ms", "no sleep")
    values = [value for value, _, _ in seen]
    expect(len(seen) >= 3, f"only {len(seen)} notifications of progress")
    expect(values == sorted(values) and all(total == 550 for _, total, _ in seen), f"progress was {seen}")
    return {"count": len(seen), "last": seen[-1]}


async def cancellation(peer):
    """A call that is given up reaches the server as such, and the session goes on."""
    before = (await peer.json("whoami"))["cancelled"]
    start = time.monotonic()
    with anyio.move_on_after(0.4) as scope:
        await peer.call("sleep", {"ms": 60_000})
    expect(scope.cancelled_caught, "the call was not given up")
    with anyio.fail_after(WAIT_S):
        while (after := (await peer.json("whoami"))["cancelled"]) <= before:
            await anyio.sleep(0.05)
    return {"cancelled": after - before, "seconds": round(time.monotonic() - start, 1)}


async def logging(peer):
    """What is below the level that this client has set does not come; what is not below comes."""
    marks = {level: f"{level} {uuid.uuid4()}" for level in ("info", "error")}
    await peer.client.set_logging_level("warning")
    for level, mark in marks.items():
        await peer.call("log", {"level": level, "data": mark})
    await peer.until(lambda: any(log.data == marks["error"] for log in peer.logs))
    expect(all(log.data != marks["info"] for log in peer.logs), "info came, and the level is warning")
    await peer.client.set_logging_level("debug")
    await peer.call("log", {"level": "info", "data": marks["info"]})
    await peer.until(lambda: any(log.data == marks["info"] for log in peer.logs))
    return {"logger": peer.logs[-1].logger}


async def elicitation(peer):
    answer = await peer.json("ask-elicitation")
    expect(answer.get("result", {}).get("content") == {"colour": "blue", "count": 3}, f"the server got {answer}")
    expect(getattr(peer.asked[-1], "message", None) == "Which colour?", f"was asked {peer.asked}")
    return answer["result"]


async def sampling(peer):
    answer = await peer.json("ask-sampling")
    expect(answer.get("result", {}).get("content", {}).get("text") == "forty-two", f"the server got {answer}")
    expect(getattr(peer.asked[-1], "max_tokens", None) == 50, f"was asked {peer.asked}")
    return answer["result"]


async def roots(peer):
    answer = await peer.json("ask-roots")
    found = answer.get("result", {}).get("roots")
    expect(found and found[0]["uri"] == "file:///home/somebody", f"the server got {answer}")
    return found


async def list_changed(peer):
    """`listed` in the detail says whether the new tool is listed: a gateway may hold it back."""
    name = f"added-{uuid.uuid4().hex[:8]}"

    def changes():
        return sum(isinstance(note, types.ToolListChangedNotification) for note in peer.notifications)

    before = changes()
    await peer.call("add-tool", {"name": name})
    await peer.until(lambda: changes() > before)
    listed = any(tool.name == f"{peer.prefix}{name}" for tool in await peer.all_tools())
    return {"name": name, "listed": listed}


async def parallel(peer):
    """Fifty calls at once, each with its own answer."""
    answers = {}

    async def one_call(number):
        answers[number] = text_of(await peer.call("echo", {"text": f"number {number}"}))

    async with anyio.create_task_group() as calls:
        for number in range(50):
            calls.start_soon(one_call, number)
    crossed = [number for number, said in answers.items() if said != f"number {number}"]
    expect(len(answers) == 50 and not crossed, f"{len(answers)} answers, crossed {crossed}")
    return {"calls": len(answers)}


CHECKS = {
    check.__name__: check
    for check in (
        initialize,
        ping,
        tools,
        call,
        tool_error,
        unknown_tool,
        structured,
        big,
        resources,
        templates,
        read,
        unknown_resource,
        subscribe,
        prompts,
        completion,
        progress,
        cancellation,
        logging,
        elicitation,
        sampling,
        roots,
        parallel,
        list_changed,
    )
}


def expect(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


def one(found, wanted, name):
    matching = [item for item in found if wanted(item)]
    expect(len(matching) == 1, f"{len(matching)} of {name}")
    return matching[0]


def text_of(result):
    return "".join(block.text for block in result.content if getattr(block, "type", None) == "text")


def report(check, ok, detail):
    print(json.dumps({"check": check, "ok": ok, "detail": detail}, ensure_ascii=False, default=str), flush=True)
    return ok


def told_simply(err):
    """The first cause inside groups of exceptions."""
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    return f"{type(err).__name__}: {err}"


async def run(options):
    peer = Peer(options.prefix)
    headers = {} if options.token in ("", "-") else {"Authorization": f"Bearer {options.token}"}
    timeout = httpx2.Timeout(CHECK_S, read=300)
    passed = True
    # No proxy of the environment: the gateway is on this machine.
    async with httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=False) as http:
        client = Client(
            streamable_http_client(options.url, http_client=http),
            mode=options.mode,
            client_info=types.Implementation(name="archestra-python-peer", version="1.0.0"),
            elicitation_callback=peer.on_elicitation,
            sampling_callback=peer.on_sampling,
            list_roots_callback=peer.on_roots,
            logging_callback=peer.on_log,
            message_handler=peer.on_message,
        )
        async with client as peer.client:
            for name in options.checks or CHECKS:
                try:
                    with anyio.fail_after(CHECK_S):
                        passed &= report(name, True, await CHECKS[name](peer))
                except Exception as err:
                    passed &= report(name, False, told_simply(err))
    return passed


def main():
    parser = argparse.ArgumentParser(description="the official Python SDK as a client of the gateway")
    parser.add_argument("url")
    parser.add_argument("token", nargs="?", default=os.environ.get("ARCHESTRA_TOKEN", ""))
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--prefix", default="", help="what is before the names of tools and prompts")
    parser.add_argument("--mode", default="legacy", help="legacy, auto, or a version")
    options = parser.parse_intermixed_args()
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        print(f"python_client: no check `{unknown[0]}`, there are {', '.join(CHECKS)}", file=sys.stderr)
        sys.exit(64)
    try:
        passed = anyio.run(run, options)
    except BaseException as err:
        if isinstance(err, (KeyboardInterrupt, SystemExit)):
            raise
        passed = report("connect", False, told_simply(err))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    import warnings

    # The SDK calls what only the newest version of the protocol lacks deprecated.
    warnings.simplefilter("ignore")
    main()
