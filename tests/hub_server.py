"""A dataset hub on loopback: as much of its HTTP interface as one commit needs, and what it was sent."""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """`repos`: name -> files by path; `commits`: what was committed, message and paths; `blobs`: large files."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos, self.heads, self.commits, self.blobs = {}, {}, [], {}

    def move(self, repo):
        """A new head, as a commit of somebody else makes it."""
        self.heads[repo] = hashlib.sha1(f"{self.heads.get(repo)}{len(self.commits)}".encode()).hexdigest()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *given):
        pass

    def reply(self, status, body=b"", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(data)),
            "Content-Type": "application/json",
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self):
        hub, words = self.server, unquote(urlsplit(self.path).path).strip("/").split("/")
        if words[:2] == ["api", "datasets"]:
            repo = "/".join(words[2:4])
            if repo not in hub.repos:
                return self.reply(404, {"error": "no"}, X_Error_Code="RepoNotFound")
            files = [_sibling(path, data) for path, data in sorted(hub.repos[repo].items())]
            return self.reply(200, {"id": repo, "sha": hub.heads[repo], "siblings": files})
        if words[0] == "datasets" and words[3] == "resolve":
            data = hub.repos["/".join(words[1:3])]["/".join(words[5:])]
            tags = {"ETag": f'"{_git(data)}"', "X_Repo_Commit": words[4]}
            return self.reply(200, data, **tags)
        return self.reply(404)

    do_HEAD = do_GET

    def do_POST(self):
        hub, words, body = self.server, urlsplit(self.path).path.strip("/").split("/"), self.body()
        if words == ["api", "repos", "create"]:
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            hub.repos[repo] = {".gitattributes": b"*.parquet filter=lfs\n"}
            hub.visibility = asked["visibility"]
            hub.move(repo)
            return self.reply(200, {"url": f"{hub.url}/datasets/{repo}", "name": repo})
        if words == ["api", "validate-yaml"]:
            return self.reply(200, {"errors": [], "warnings": []})
        if "preupload" in words:
            files = [{"path": one["path"], "shouldIgnore": False,
                      "uploadMode": "lfs" if one["path"].endswith(("parquet", "png")) else "regular"}
                     for one in json.loads(body)["files"]]  # fmt: skip
            return self.reply(200, {"files": files})
        if words[-1] == "batch":
            objects = [{**one, "actions": {"upload": {"href": f"{hub.url}/blob/{one['oid']}"}}}
                       for one in json.loads(body)["objects"]]  # fmt: skip
            return self.reply(200, {"transfer": "basic", "objects": objects})
        return self.commit("/".join(words[2:4]), [json.loads(line) for line in body.splitlines()])

    def do_PUT(self):
        self.server.blobs[self.path.rsplit("/", 1)[-1]] = self.body()
        self.reply(200)

    def commit(self, repo, lines):
        hub, header = self.server, lines[0]["value"]
        if header.get("parentCommit") not in (None, hub.heads[repo]):
            return self.reply(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = hub.repos[repo]
        for line in lines[1:]:
            kind, value = line["key"], line["value"]
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "lfsFile":
                files[value["path"]] = hub.blobs[value["oid"]]
            else:
                files.pop(value["path"])
        hub.commits.append((header["summary"], sorted((line["key"], line["value"]["path"]) for line in lines[1:])))
        hub.move(repo)
        return self.reply(200, {"commitUrl": f"{hub.url}/datasets/{repo}/commit/x", "commitOid": hub.heads[repo]})


def _git(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _sibling(path, data):
    facts = {"rfilename": path, "size": len(data), "blobId": _git(data)}
    if path.endswith(("parquet", "png")):
        facts["blobId"] = _git(b"pointer of " + data)
        facts["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return facts
