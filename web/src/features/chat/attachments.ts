import type { AttachmentBody } from "@/api/types";
import { bytes } from "@/lib/words";

export const ATTACHMENTS_MAX = 10;
const ATTACHMENT_BYTES_MAX = 2_000_000;
/** A longer text that is pasted becomes a file. */
export const PASTE_MAX = 8000;

export interface Attachment {
  id: number;
  name: string;
  size: number;
  body: AttachmentBody;
}

let last = 0;

/** Reads a file whole; what is wrong with it is thrown, in words. */
export async function readAttachment(file: File): Promise<Attachment> {
  if (file.size > ATTACHMENT_BYTES_MAX) {
    throw new Error(
      `${file.name} has ${bytes(file.size)}; at most ${bytes(ATTACHMENT_BYTES_MAX)} can be sent`,
    );
  }
  const data = base64(new Uint8Array(await file.arrayBuffer()));
  last += 1;
  const body = { filename: file.name, media_type: file.type || "application/octet-stream", data };
  return { id: last, name: file.name, size: file.size, body };
}

/** Makes a file of a text that was pasted. */
export function textFile(text: string): File {
  return new File([text], "pasted text.txt", { type: "text/plain" });
}

const PIECE = 0x8000;

function base64(data: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < data.length; at += PIECE) {
    binary += String.fromCharCode(...data.subarray(at, at + PIECE));
  }
  return btoa(binary);
}
