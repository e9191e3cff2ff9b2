"""Postfix, Exim and OpenSMTPD, each in a private root (root.sh), delivering to a Maildir in the test's folder.

Each accepts mail for any name at example.net, example.org and for postmaster, but none for nobody-here@example.net.
`messages()` gives what arrived, as bytes with CRLF line ends.
"""
import os
import subprocess

from . import packages, proc

DOMAINS = ["example.net", "example.org"]
HERE = os.path.dirname(os.path.abspath(__file__))


def unpacked(layer, folder):
    """A root of its own with the server's files in its upper layer (layers of an overlay must not lie in each other,
    so the cached tree cannot be one itself)."""
    root = os.path.join(folder, "root")
    os.makedirs(root)
    subprocess.run(["cp", "-a", packages.layer(layer), root + "/upper"], check=True)
    return root


class Delivered:
    """A message as it lies in the Maildir."""

    def __init__(self, path):
        with open(path, "rb") as f:
            stored = f.read()
        self.path = path
        self.raw = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self.header, _, self.body = self.raw.partition(b"\r\n\r\n")

    def fields(self, name):
        """The values of a header field, unfolded, top first."""
        unfolded = self.header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        start = name.lower().encode() + b":"
        return [line[len(start):].strip().decode("utf-8", "replace")
                for line in unfolded.split(b"\r\n") if line.lower().startswith(start)]

    def recipient(self):
        for name in ("X-Original-To", "Envelope-To", "Delivered-To"):
            if self.fields(name):
                return self.fields(name)[0].strip("<>")
        return None


class Mta:
    """What the three have in common. A subclass writes its configuration and names its command."""
    layer = None
    log_name = "log"
    users = {}

    def __init__(self, env, name=None, cert=None, **options):
        self.env, self.name, self.cert, self.options = env, name or self.layer, cert, options
        self.dir = env.folder(self.name)
        self.port = options.pop("port", None) or proc.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.mail = os.path.join(self.dir, "mail")
        self.log = os.path.join(self.dir, self.log_name)
        self.out = os.path.join(self.dir, "out")
        self.process = None
        env.log(self.name, self.log)
        env.log(self.name + " (output)", self.out)
        self.root = unpacked(self.layer, self.dir)
        self.accounts()
        os.makedirs(self.mail)
        os.chown(self.mail, 5000, 5000)

    def accounts(self):
        """Users and groups of the server exist in its own root only."""
        for name in ("passwd", "group"):
            with open("/etc/" + name) as f:
                text = f.read()
            for user, (number, home) in dict(self.users, vmail=(5000, self.dir)).items():
                if name == "group":
                    text += f"{user}:x:{number}:\n"
                elif not user.startswith("postdrop"):
                    text += f"{user}:x:{number}:{number}::{home}:/usr/sbin/nologin\n"
            self.write("/etc/" + name, text)

    def write(self, path, text, mode=0o644):
        """A file in the private root, before the server starts."""
        full = self.root + "/upper" + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)
        os.chmod(full, mode)

    def command(self, *argv):
        return [os.path.join(HERE, "root.sh"), self.root, self.dir, *argv]

    def start(self):
        self.process = self.env.process(self.name, self.command("/bin/bash", "-ec", self.script()), self.out)
        self.process.ready(self.greets)
        return self

    def greets(self):
        return proc.banner(self.port).startswith(b"220")

    def stop(self):
        if self.process:
            self.process.stop()

    def delivered_paths(self):
        new = os.path.join(self.mail, "new")
        return [os.path.join(new, n) for n in sorted(os.listdir(new))] if os.path.isdir(new) else []

    def messages(self, count=None, seconds=30):
        """What arrived; waits until `count` are there."""
        if count is not None:
            proc.wait_for(lambda: len(self.delivered_paths()) >= count, f"{count} messages in {self.name}", seconds)
        return [Delivered(p) for p in self.delivered_paths()]

    def message(self, subject, seconds=30):
        """The message with this subject; waits for it."""
        def look():
            return next((m for m in self.messages() if m.fields("Subject") == [subject]), None)
        return proc.wait_for(look, f"a message {subject!r} in {self.name}", seconds)

    def clear(self):
        for path in self.delivered_paths():
            os.unlink(path)

    def log_text(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, text, seconds=15):
        proc.wait_for(lambda: text in self.log_text(), f"{text!r} in the log of {self.name}", seconds)


class Postfix(Mta):
    """options: main={...} (main.cf), smtpd={...} (-o of the service), tls="may"|"encrypt" (with cert), proxy=True (a PROXY
    header comes first), port."""
    layer = "postfix"
    users = {"postfix": (5001, "/var/spool/postfix"), "postdrop": (5002, "/")}

    def script(self):
        main = {
            "compatibility_level": "3.6", "queue_directory": "/var/spool/postfix", "data_directory": "/var/lib/postfix",
            "daemon_directory": "/usr/lib/postfix/sbin", "command_directory": "/usr/sbin",
            "shlib_directory": "/usr/lib/postfix", "meta_directory": "/etc/postfix", "mail_owner": "postfix",
            "setgid_group": "postdrop", "myhostname": "backend.example.net", "mydestination": "", "mynetworks": "",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "smtpd_peername_lookup": "no",
            "smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0",
            "smtpd_relay_restrictions": "reject_unauth_destination", "message_size_limit": "104857600",
            "mailbox_size_limit": "0", "virtual_mailbox_limit": "0", "local_header_rewrite_clients": "",
            "virtual_mailbox_domains": ", ".join(DOMAINS), "virtual_mailbox_base": self.mail,
            "virtual_mailbox_maps": "regexp:/etc/postfix/mailboxes", "virtual_uid_maps": "static:5000",
            "virtual_gid_maps": "static:5000", "virtual_minimum_uid": "100", "alias_maps": "", "local_recipient_maps": "",
            "maillog_file": self.log, "maillog_file_prefixes": self.dir, "smtp_dns_support_level": "disabled",
            "smtputf8_enable": "yes", "smtpd_discard_ehlo_keywords": "", "default_process_limit": "120", "in_flow_delay": "0",
        }
        if self.cert:
            main.update({"smtpd_tls_cert_file": self.cert.cert, "smtpd_tls_key_file": self.cert.key, "smtpd_tls_loglevel": "1",
                         "smtpd_tls_security_level": self.options.get("tls", "may"), "smtpd_tls_received_header": "yes"})
        if self.options.get("proxy"):
            main["smtpd_upstream_proxy_protocol"] = "haproxy"
        main.update(self.options.get("main", {}))
        self.write("/etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in main.items()))
        self.write("/etc/postfix/mailboxes", "if !/^nobody-here@/\n/@/ ./\nendif\n")
        extra = "".join(f" -o {k}={v}" for k, v in self.options.get("smtpd", {}).items())
        self.write("/etc/postfix/master.cf", f"127.0.0.1:{self.port} inet n - n - 120 smtpd{extra}\n" + """\
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
virtual unix - n n - 8 virtual
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
""")
        return ("mkdir -p /var/spool/postfix /var/lib/postfix; chown postfix /var/lib/postfix; "
                "postfix -c /etc/postfix check; exec /usr/lib/postfix/sbin/master -c /etc/postfix -d")

    def greets(self):
        return proc.listening(self.port) if self.options.get("proxy") else super().greets()

    @classmethod
    def tool(cls, env, *argv):
        """A command of the package (smtp-source, smtp-sink) in a root of its own."""
        folder = env.folder("postfix-tool")
        return [os.path.join(HERE, "root.sh"), unpacked("postfix", folder), folder, *argv]


class Exim(Mta):
    """options: auth=True (alice/secret by PLAIN and LOGIN), extra="main options", port."""
    layer = "exim"
    log_name = "mainlog"  # beside it paniclog and rejectlog
    users = {"Debian-exim": (5003, "/var/spool/exim4")}

    def script(self):
        o = self.options
        if self.cert:
            main = [f"tls_certificate = {self.cert.cert}", f"tls_privatekey = {self.cert.key}", "tls_advertise_hosts = *"]
        else:
            main = ["tls_advertise_hosts ="]
        main += [o.get("extra", "")]
        auth = """
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{alice}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{alice}}{eq{$auth2}{secret}}}}
  server_set_id = $auth1
""" if o.get("auth") else ""
        self.write("/etc/exim4/exim4.conf", f"""
primary_hostname = backend.example.net
domainlist local_domains = {' : '.join(DOMAINS)}
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
host_lookup =
rfc1413_hosts =
smtp_accept_max = 500
smtp_accept_max_per_connection = 100000
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 100
smtp_enforce_sync = true
queue_run_max = 0
helo_allow_chars = _
log_file_path = {self.dir}/%slog
log_selector = +all
spool_directory = /var/spool/exim4
message_size_limit = 100M
smtputf8_advertise_hosts = *
accept_8bitmime = true
dsn_advertise_hosts = *
chunking_advertise_hosts = *
check_rfc2047_length = false
{chr(10).join(main)}
begin acl
acl_rcpt:
  deny local_parts = nobody-here
       message = unknown user
  accept domains = +local_domains
  accept authenticated = *
  deny message = relay not permitted
acl_data:
  accept
begin routers
local:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {self.mail}
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
  user = vmail
  group = vmail
  quota =
begin retry
* * F,1h,1m
{auth}""")
        return ("install -d -o Debian-exim -g Debian-exim /var/spool/exim4 /var/log/exim4; "
                f"chown Debian-exim {self.dir}; "
                f"exec /usr/sbin/exim4 -bdf -oX 127.0.0.1.{self.port} -oP {self.dir}/pid")


class OpenSmtpd(Mta):
    """options: port. With a certificate it offers STARTTLS, but Debian 12's build fails in every handshake. Its known names are alice, bob, carol, postmaster."""
    layer = "opensmtpd"
    users = {"opensmtpd": (5004, "/var/lib/opensmtpd/empty"), "opensmtpq": (5005, "/var/lib/opensmtpd/empty")}

    def script(self):
        domains = ", ".join(f'"{d}"' for d in DOMAINS)
        names = ", ".join(f'"{n}" = vmail' for n in ("alice", "bob", "carol", "postmaster"))
        tls = f'pki backend cert "{self.cert.cert}"\npki backend key "/etc/backend.key"\n' if self.cert else ""
        if self.cert:
            with open(self.cert.key) as f:
                self.write("/etc/backend.key", f.read(), 0o600)
        use = " tls pki backend" if self.cert else ""
        self.write("/etc/smtpd.conf", f"""{tls}smtp max-message-size 100M
listen on 127.0.0.1 port {self.port}{use} hostname backend.example.net
table boxes {{ {names} }}
action "in" maildir "{self.mail}" virtual <boxes>
match from any for domain {{ {domains} }} action "in"
""", 0o600)
        self.write("/etc/mailname", "backend.example.net\n")
        return ("install -d -m 711 /var/spool/smtpd /var/lib/opensmtpd/empty; rm -f /etc/resolv.conf; echo lookup file >/etc/resolv.conf; "
                f"exec /usr/sbin/smtpd -d -f /etc/smtpd.conf >>{self.log} 2>&1")


def smtp_source(env, target, *options, seconds=120):
    """Runs smtp-source against 127.0.0.1:port and gives the finished process."""
    argv = Postfix.tool(env, "/usr/sbin/smtp-source", *map(str, options), f"inet:{target}")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"smtp-source: {done.stdout}{done.stderr}"
    return done
