"""What the run needs from the distribution: small tools and scanning engines are installed, mail servers only unpacked.

An MTA is never installed: it would take the port 25 of whoever runs this. Its package is downloaded once into the
cache and unpacked into a folder that becomes a layer of a private root (mta.py). A second run needs no network.
"""
import glob
import os
import re
import shutil
import subprocess

CACHE = os.environ.get("PORTCULLIS_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "portcullis-integration")

# command (or a file that shows it) -> package
TOOLS = {"swaks": "swaks", "openssl": "openssl", "unshare": "util-linux", "cc": "gcc"}

# the layer -> the packages in it
LAYERS = {"postfix": ["postfix"], "exim": ["exim4-daemon-light", "exim4-base"], "opensmtpd": ["opensmtpd"]}


# the command of a scanning engine -> its package
ENGINES = {"clamd": "clamav-daemon", "rspamd": "rspamd", "spamd": "spamd"}
NO_SERVICES = "/usr/sbin/policy-rc.d"


class Missing(Exception):
    """A part of the surroundings is not there and could not be had."""


def _run(argv, **kw):
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True, **kw)
    if done.returncode:
        raise Missing(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


_updated = False


def _apt(*args, cwd=None):
    """apt-get, with the lists fetched once if it does not know a package."""
    global _updated
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *args]
    try:
        return _run(argv, cwd=cwd)
    except Missing:
        if _updated:
            raise
        _run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "update"])
        _updated = True
        return _run(argv, cwd=cwd)


def _install(packages):
    if packages:
        _apt("install", "-y", "--no-install-recommends", "--no-upgrade", *packages)


def tools():
    """Installs the small tools that are missing."""
    wanted = [p for command, p in TOOLS.items() if not shutil.which(command)]
    if shutil.which("perl") is None or subprocess.run(["perl", "-MNet::SSLeay", "-e1"], capture_output=True).returncode:
        wanted.append("libnet-ssleay-perl")
    _install(wanted)


def engine(command):
    """Installs a scanning engine that is missing, without the service that its package would start."""
    if shutil.which(command):
        return
    ours = not os.path.exists(NO_SERVICES)
    if ours:
        with open(NO_SERVICES, "w") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(NO_SERVICES, 0o755)
    try:
        _install([ENGINES[command]])
    finally:
        if ours:
            os.unlink(NO_SERVICES)


def _deb(package):
    found = [d for d in glob.glob(os.path.join(CACHE, "deb", package + "_*.deb")) if os.path.getsize(d)]
    return max(found, key=os.path.getmtime) if found else None


def _libraries(deb):
    """The library packages that a package asks for, by its own list."""
    depends = _run(["dpkg-deb", "-f", deb, "Depends"])
    return set(re.findall(r"(?:^|[ ,])(lib[a-z0-9.+-]+)", depends))


def _installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True)
    return done.stdout.endswith(" installed")


def _merge_usr(layer):
    """A layer must not turn the links /lib, /bin, /sbin of a merged-/usr system into folders."""
    for d in ("lib", "bin", "sbin", "lib64"):
        old = os.path.join(layer, d)
        if os.path.isdir(old) and not os.path.islink(old) and os.path.islink("/" + d):
            shutil.copytree(old, os.path.join(layer, "usr", d), symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(old)


def layer(name):
    """The unpacked tree of a mail server; built once, then found in the cache."""
    tree = os.path.join(CACHE, "layer", name)
    stamp = tree + ".done"
    debs = os.path.join(CACHE, "deb")
    os.makedirs(debs, exist_ok=True)
    if not os.path.exists(stamp):
        for package in LAYERS[name]:
            if not _deb(package):
                _apt("download", package, cwd=debs)
        shutil.rmtree(tree, ignore_errors=True)
        os.makedirs(tree)
        for package in LAYERS[name]:
            _run(["dpkg", "-x", _deb(package), tree])
        _merge_usr(tree)
        open(stamp, "w").close()
    wanted = set()
    for package in LAYERS[name]:
        wanted |= _libraries(_deb(package))
    _install(sorted(p for p in wanted if not _installed(p)))
    return tree
