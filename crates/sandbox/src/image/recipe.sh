#!/bin/sh
# Packs the root file system of the base image into a tar, out of packages of Debian, npm and PyPI.
#
#   sh recipe.sh OUT.tar WORK CACHE
#
# WORK is an empty folder for what is not kept, CACHE one for downloads that may be kept. Where
# packages come from is set in npm's, pip's and apt's own configuration. As root, or as a user with
# ranges of user ids. Lines that begin with `::step` say what comes next.
#
# A change of this file is a new image: its name has the file's hash.
set -eu
out=$1 work=$2 cache=$3
suite=bookworm

node_version=22.23.3
npm_version=11.21.2
uv_version=0.13.8
case $(uname -m) in
x86_64)
    arch=x64
    node_sha512='qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng=='
    uv_sha256=e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984
    ;;
*)
    echo "there is no recipe for $(uname -m) yet; name a published image in the settings" >&2
    exit 2
    ;;
esac
npm_sha512='7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq9A=='

check_sha512() { # wanted (base64), file
    python3 - "$1" "$2" <<'PY'
import base64, hashlib, sys
with open(sys.argv[2], "rb") as file:
    digest = hashlib.sha512(file.read()).digest()
if base64.b64encode(digest).decode() != sys.argv[1]:
    sys.exit(f"{sys.argv[2]} is not what was published: its SHA-512 differs")
PY
}

chmod 0755 "$work" # the last step runs as another user when it is not root's
mkdir -p "$cache"

echo "::step fetch Node and npm"
node_tgz=$cache/node-linux-$arch-$node_version.tgz
npm_tgz=$cache/npm-$npm_version.tgz
if ! [ -f "$node_tgz" ] || ! [ -f "$npm_tgz" ]; then
    mkdir "$work/npm"
    (cd "$work/npm" && npm pack --silent --ignore-scripts "node-linux-$arch@$node_version" "npm@$npm_version")
    check_sha512 "$node_sha512" "$work/npm/${node_tgz##*/}"
    check_sha512 "$npm_sha512" "$work/npm/${npm_tgz##*/}"
    mv "$work/npm/"*.tgz "$cache/"
fi
check_sha512 "$node_sha512" "$node_tgz"
check_sha512 "$npm_sha512" "$npm_tgz"

echo "::step fetch uv"
uv_requirement="uv==$uv_version --hash=sha256:$uv_sha256"
echo "$uv_requirement" >"$work/requirements.txt"
mkdir "$work/uv"
python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
    --disable-pip-version-check --find-links "$cache" -r "$work/requirements.txt" -d "$work/uv"
uv_whl=$(ls "$work/uv/"uv-*.whl)
cp "$uv_whl" "$cache/"

echo "::step unpack Node, npm and uv"
overlay=$work/overlay
local=$overlay/usr/local
mkdir -p "$local/bin" "$local/lib/node_modules/npm" "$local/share/doc"
tar -xzf "$node_tgz" -C "$local/bin" --strip-components=2 --no-same-owner package/bin/node
tar -xzf "$npm_tgz" -C "$local/lib/node_modules/npm" --strip-components=1 --no-same-owner \
    --exclude=package/docs --exclude=package/man
tar -xzf "$node_tgz" -O package/LICENSE >"$local/share/doc/node-LICENSE"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$local/bin/npx"
python3 - "$uv_whl" "$local/bin/uv" <<'PY'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(it for it in wheel.namelist() if it.endswith(".data/scripts/uv"))
    with wheel.open(name) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target)
PY
chmod -R u=rwX,go=rX "$overlay"
chmod 0755 "$local/bin/node" "$local/bin/uv" "$local/lib/node_modules/npm/bin/"*.js
tar -C "$overlay" --owner=0 --group=0 --numeric-owner -cf "$work/overlay.tar" .

cat >"$work/finish" <<'SH'
set -eu
root=$1
printf 'app:x:1000:1000::/home/app:/bin/bash\n' >>"$root/etc/passwd"
printf 'app:x:1000:\n' >>"$root/etc/group"
printf 'app:!::0:99999:7:::\n' >>"$root/etc/shadow"
printf 'app:!::\n' >>"$root/etc/gshadow"
# Mount points must be there, since the root is read-only; a new volume gets the owner of its own.
install -d -o 1000 -g 1000 -m 0755 "$root/home/app" "$root/install" "$root/data"
install -d -o 0 -g 0 -m 0755 "$root/.archestra" "$root/run/archestra"
: >"$root/.archestra/bridge"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/* \
    "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/hosts"
: >"$root/etc/resolv.conf"
: >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
find "$root" -xdev -perm /6000 ! -type l -exec chmod a-s {} +
SH

echo "::step install Debian's packages"
mmdebstrap --quiet --mode=auto --variant=minbase --format=tar \
    --include=ca-certificates,git,libatomic1,libstdc++6,python3,python3-pip,python3-venv \
    --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook="tar-in $work/overlay.tar /" \
    --customize-hook="sh $work/finish \"\$1\"" \
    "$suite" "$work/base.tar"
mv "$work/base.tar" "$out"
