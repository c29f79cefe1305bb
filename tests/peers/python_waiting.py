#!/usr/bin/env python3
"""The official Python SDK as a client whose call waits for a person.

    python3 python_waiting.py URL TOKEN TOOL ARGUMENTS [COUNT]

Calls TOOL with ARGUMENTS (JSON) COUNT times, one after the other, and prints a line for each thing
that happens: {"progress": …} for what it hears while it waits, {"result": …} for each answer.
"""

import json
import sys

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def say(**what):
    print(json.dumps(what), flush=True)


async def main():
    url, token, tool, arguments = sys.argv[1:5]
    count = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    headers = {"Authorization": f"Bearer {token}"}

    async def progress(amount, total, message):
        say(progress=message, amount=amount)

    async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode="legacy") as client:
            for _ in range(count):
                result = await client.call_tool(tool, json.loads(arguments), progress_callback=progress)
                text = "".join(getattr(it, "text", "") for it in result.content)
                say(result=text, is_error=bool(result.is_error))


anyio.run(main)
