// A workload that tries to see, reach or use what is not its own.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "executor/inside/channel.h"
#include "executor/launch.h"
#include "executor/local/world_for_tests.h"
#include "executor/sandbox.h"
#include "host/fd.h"

namespace millrace::executor {
namespace {

using testing::HasSubstr;
using testing::Not;

class Isolation : public LocalWorld {
 protected:
  static WorkloadSpec python(const std::string& program) {
    return {.id = "w", .root = "/", .argv = {"python3", "-c", program}};
  }
  std::string tries(const std::string& program) { return run(python(program)); }
};

// A server of the host at 127.0.0.1 that answers each connection with `answer` and what it was sent until the end.
class Echo {
 public:
  explicit Echo(std::string answer) : answer_(std::move(answer)) {
    fd_ = host::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(::listen(fd_.get(), 64), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Echo() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  int port() const { return port_; }

 private:
  void serve() {
    for (;;) {
      const host::Fd peer(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      std::string all = answer_;
      char buffer[65536];
      for (ssize_t got; (got = ::recv(peer.get(), buffer, sizeof buffer, 0)) > 0;)
        all.append(buffer, static_cast<std::size_t>(got));
      for (std::size_t at = 0; at < all.size();) {
        const ssize_t sent = ::send(peer.get(), all.data() + at, all.size() - at, MSG_NOSIGNAL);
        if (sent <= 0) break;
        at += static_cast<std::size_t>(sent);
      }
    }
  }
  const std::string answer_;
  host::Fd fd_;
  int port_ = 0;
  std::thread thread_;
};

constexpr const char* kConnect =
    "import socket\n"
    "def reach(port, text=b'', family=socket.AF_INET, address=None):\n"
    "  s = socket.socket(family)\n"
    "  try:\n"
    "    s.connect(address if address else ('127.0.0.1', port))\n"
    "    s.sendall(text); s.shutdown(socket.SHUT_WR)\n"
    "    got = b''\n"
    "    while True:\n"
    "      piece = s.recv(65536)\n"
    "      if not piece: return got\n"
    "      got += piece\n"
    "  except OSError as error:\n"
    "    return ('refused ' + type(error).__name__).encode()\n";

TEST_F(Isolation, AnotherTenantsFilesAndProcessesAreNotThere) {
  ASSERT_TRUE(make_sandbox_folder(folder_ + "/jobs/other"));
  ASSERT_TRUE(host::write_file_atomic(folder_ + "/jobs/other/secret", "treasure", 0644));
  WorkloadSpec other{.id = "other", .root = "/", .argv = {"sleep", "1000"}, .env = {{"TOKEN", "treasure"}}};
  other.mounts = {{folder_ + "/jobs/other", "/job", true}};
  ASSERT_TRUE(executor_->start(other, 1));
  const WorkloadStatus neighbour = *executor_->status("other");
  ASSERT_GT(neighbour.engine_pid, 0);
  const std::string out = tries(
      "import os\n"
      "for top, folders, files in os.walk('/'):\n"
      "  folders[:] = [f for f in folders if os.path.join(top, f) not in ('/proc', '/usr', '/sys', '/dev')]\n"
      "  for f in files:\n"
      "    try: text = open(os.path.join(top, f), 'rb').read(4096)\n"
      "    except OSError: continue\n"
      "    if b'treasure' in text: print('found in', os.path.join(top, f))\n"
      "for p in sorted(filter(str.isdigit, os.listdir('/proc')), key=int):\n"
      "  try: print('process', open(f'/proc/{p}/cmdline').read().replace(chr(0), ' ')[:20])\n"
      "  except OSError: pass\n"
      "try: os.kill(" +
      std::to_string(neighbour.engine_pid) +
      ", 9)\n"
      "except OSError as e: print('kill:', type(e).__name__)\n");
  EXPECT_THAT(out, Not(HasSubstr("found in")));
  EXPECT_THAT(out, Not(HasSubstr("sleep 1000")));
  EXPECT_THAT(out, HasSubstr("kill: ProcessLookupError"));
  EXPECT_EQ(executor_->status("other")->state, WorkloadState::kRunning);
  (void)executor_->stop("other", milliseconds(0));
  EXPECT_TRUE(soon([&] { return executor_->remove("other").has_value(); }));
}

// What a tenant can write in may hold links to anything by the time that another job mounts it.
class Mounts : public Isolation {
 protected:
  Mounts() {
    EXPECT_TRUE(make_sandbox_folder(folder_ + "/share"));
    EXPECT_TRUE(host::make_dirs(folder_ + "/share/own/deep"));
    EXPECT_TRUE(host::make_dirs(folder_ + "/victim/deep"));
    EXPECT_TRUE(host::write_file_atomic(folder_ + "/victim/deep/file", "treasure", 0644));
    EXPECT_TRUE(host::write_file_atomic(folder_ + "/share/own/deep/file", "flour", 0644));
    EXPECT_EQ(::chmod((folder_ + "/share").c_str(), 0755), 0);
  }
  static WorkloadSpec reading(const std::string& source) {
    WorkloadSpec spec = shell("cat /m/deep/file /m/file /m 2>/dev/null; exit 0");
    spec.mounts = {{source, "/m", false, true}};
    return spec;
  }
  // Lets what was launched run; all that it prints.
  static std::string finish(Launched& launched) {
    std::string out;
    char buffer[4096];
    for (bool open = true; open;) {
      pollfd items[] = {{launched.channel.get(), POLLIN, 0}, {launched.output.get(), POLLIN, 0}};
      if (::poll(items, 2, 20000) <= 0) return out + " (nothing came for 20 s)";
      if (const auto message = receive_inside(launched.channel.get());
          message && message->what == inside::kHello)
        send_inside(launched.channel.get(), inside::kGo);
      if ((items[0].revents & POLLHUP) != 0) launched.channel.reset();
      if (items[1].revents == 0) continue;
      const ssize_t got = ::read(launched.output.get(), buffer, sizeof buffer);
      if (got > 0) out.append(buffer, static_cast<std::size_t>(got));
      open = got > 0 || (got < 0 && errno == EAGAIN);
    }
    ::waitpid(launched.bwrap, nullptr, 0);
    return out;
  }
};

TEST_F(Mounts, ALinkOnTheWayToASourceIsNotFollowed) {
  ASSERT_EQ(::symlink((folder_ + "/victim").c_str(), (folder_ + "/share/x").c_str()), 0);
  ASSERT_EQ(::symlink("../victim", (folder_ + "/share/relative").c_str()), 0);
  EXPECT_EQ(run(reading(folder_ + "/share/own")), "flour");
  EXPECT_EQ(executor_->status("w")->exit->code, 0);
  for (const char* path : {"/share/x", "/share/x/deep", "/share/x/deep/file", "/share/relative/deep"}) {
    EXPECT_TRUE(soon([&] { return executor_->remove("w").has_value(); }));
    const std::string out = run(reading(folder_ + path));
    EXPECT_THAT(out, HasSubstr("symbolic link")) << path;
    EXPECT_THAT(out, Not(HasSubstr("treasure"))) << path;
    EXPECT_EQ(executor_->status("w")->exit->cause, ExitCause::kNotStarted) << path;
  }
}

TEST_F(Mounts, WhatWasCheckedIsWhatIsBoundWhateverTakesItsPlace) {
  const bool as_root = ::geteuid() == 0;
  ASSERT_TRUE(make_sandbox_folder(folder_ + "/data"));
  const auto swap = [&](const char* moved) {
    const std::string place = folder_ + "/share/own";
    EXPECT_EQ(::rename(place.c_str(), (folder_ + moved).c_str()), 0);
    EXPECT_EQ(::symlink((folder_ + "/victim").c_str(), place.c_str()), 0);
  };
  auto sandbox = make_sandbox(reading(folder_ + "/share/own"), folder_ + "/data", as_root, false);
  ASSERT_TRUE(sandbox) << sandbox.error().message;
  swap("/share/moved");
  auto launched = launch(*sandbox, "");
  ASSERT_TRUE(launched) << launched.error().message;
  EXPECT_THAT(finish(*launched), Not(HasSubstr("treasure")));
  // The folder is gone altogether: its descriptor leads nowhere, and its old name to the link.
  ASSERT_TRUE(host::make_dirs(folder_ + "/share/empty"));
  auto again = make_sandbox(reading(folder_ + "/share/empty"), folder_ + "/data", as_root, false);
  ASSERT_TRUE(again);
  ASSERT_EQ(::rmdir((folder_ + "/share/empty").c_str()), 0);
  ASSERT_EQ(::symlink((folder_ + "/victim").c_str(), (folder_ + "/share/empty (deleted)").c_str()), 0);
  launched = launch(*again, "");
  ASSERT_TRUE(launched);
  EXPECT_THAT(finish(*launched), Not(HasSubstr("treasure")));
}

// bwrap makes the places of mounts as root, and still reaches the host then.
TEST_F(Mounts, NoPlaceIsMadeOutsideByWayOfALink) {
  const std::string outside = "/oldroot" + folder_ + "/victim";
  ASSERT_EQ(::symlink(outside.c_str(), (folder_ + "/share/x").c_str()), 0);
  WorkloadSpec spec = reading(folder_ + "/share/own");
  spec.mounts.push_back({folder_ + "/share", "/n", true});
  spec.mounts[0].target = "/n/x/made";
  EXPECT_FALSE(executor_->start(spec, 1));
  ASSERT_TRUE(host::make_dirs(folder_ + "/image/usr"));
  ASSERT_TRUE(host::make_dirs(folder_ + "/image/opt"));
  ASSERT_EQ(::symlink(outside.c_str(), (folder_ + "/image/opt/x").c_str()), 0);
  ASSERT_EQ(::symlink(outside.c_str(), (folder_ + "/image/srv").c_str()), 0);
  for (const char* place : {"/opt/x/made", "/srv/made", "/opt/x"}) {
    spec = reading(folder_ + "/share/own");
    spec.root = folder_ + "/image";
    spec.mounts[0].target = place;
    EXPECT_THAT(run(spec), HasSubstr("symbolic link of the image")) << place;
    spec.mounts.clear();
    spec.secrets = {{std::string(place) + "/secret", "x"}};
    EXPECT_THAT(run(spec), HasSubstr("symbolic link of the image")) << place;
  }
  EXPECT_THAT(*host::list_dir(folder_ + "/victim"), testing::ElementsAre("deep"));
}

TEST_F(Mounts, APlaceInTheRunsOwnDataIsSeen) {
  WorkloadSpec spec = shell("cat /data/set/deep/file; echo more > /data/mine && cat /data/mine");
  spec.mounts = {{folder_ + "/share/own", "/data/set", false, true}};
  EXPECT_EQ(run(spec), "flourmore\n");
}

TEST_F(Isolation, TheServersEnvironmentAndItsOwnFirstProcessAreClosed) {
  ASSERT_EQ(::setenv("MILLRACE_TEST_SECRET", "treasure", 1), 0);
  const std::string out = tries(
      "import os, glob\n"
      "print('treasure' in str(os.environ))\n"
      "for f in ('environ', 'mem', 'maps', 'fd'):\n"
      "  try:\n"
      "    g = os.listdir('/proc/1/fd') if f == 'fd' else open('/proc/1/' + f, 'r+b' if f == 'mem' else "
      "'rb').read(1)\n"
      "    print(f, 'open')\n"
      "  except OSError as e: print(f, 'closed')\n"
      "os.kill(1, 9); os.kill(1, 15); print('still here')\n"
      "print(sorted(int(f) for f in os.listdir('/proc/self/fd')))\n");
  ::unsetenv("MILLRACE_TEST_SECRET");
  EXPECT_EQ(out, "False\nenviron closed\nmem closed\nmaps closed\nfd closed\nstill here\n[0, 1, 2, 3]\n")
      << "descriptor 3 is the listing's own";
}

TEST_F(Isolation, TheHostsNetworkAndItsAbstractSocketsAreNotThere) {
  Echo server("host");
  const host::Fd abstract(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "mr-test-" + std::to_string(::getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(::bind(abstract.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(abstract.get(), 4), 0);
  for (const Network network : {Network::kNone, Network::kForwards}) {
    WorkloadSpec spec = python(std::string(kConnect) + "print(reach(" + std::to_string(server.port()) +
                               "))\nprint(reach(0, family=socket.AF_UNIX, address='\\0" + name +
                               "'))\nprint(reach(0, address=('192.0.2.1', 80)))\n");
    spec.network = network;
    const std::string before = output();
    EXPECT_EQ(run(spec).substr(before.size()),
              "b'refused ConnectionRefusedError'\nb'refused ConnectionRefusedError'\nb'refused OSError'\n");
  }
}

TEST_F(Isolation, AForwardLeadsToItsTargetAndNowhereElse) {
  Echo server("host:");
  WorkloadSpec spec = python(std::string(kConnect) +
                             "print(reach(8080, b'hello'))\n"
                             "print(len(reach(8080, b'x' * 3000000)))\n"
                             "print(reach(8081))\nprint(reach(8082))\nprint(reach(" +
                             std::to_string(server.port()) + "))\n" +
                             "import concurrent.futures as c\n"
                             "with c.ThreadPoolExecutor(40) as pool:\n"
                             "  got = list(pool.map(lambda i: reach(8080, str(i).encode()), range(120)))\n"
                             "print(all(g == b'host:%d' % i for i, g in enumerate(got)))\n");
  spec.network = Network::kForwards;
  spec.forwards = {{8080, "127.0.0.1:" + std::to_string(server.port())}, {8081, folder_ + "/absent.sock"}};
  EXPECT_EQ(
      run(spec),
      "b'host:hello'\n3000005\nb''\nb'refused ConnectionRefusedError'\nb'refused ConnectionRefusedError'\n"
      "True\n");
}

TEST_F(Isolation, AForwardReachesAUnixSocketOfTheHost) {
  const std::string path = folder_ + "/gate.sock";
  const host::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ASSERT_EQ(::setsockopt(listener.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  std::thread server([&] {
    const host::Fd peer(::accept(listener.get(), nullptr, nullptr));
    (void)!::send(peer.get(), "by path", 7, MSG_NOSIGNAL);
  });
  WorkloadSpec spec = python(std::string(kConnect) + "print(reach(80))");
  spec.network = Network::kForwards;
  spec.forwards = {{80, path}};
  EXPECT_EQ(run(spec), "b'by path'\n");
  server.join();
}

TEST_F(Isolation, KernelInterfacesAreRefused) {
  const std::string out = tries(
      "import ctypes, errno, platform, socket, os\n"
      "c = ctypes.CDLL(None, use_errno=True)\n"
      "x = platform.machine() == 'x86_64'\n"
      "calls = dict(mount=(165, 40), umount2=(166, 39), pivot_root=(155, 41), bpf=(321, 280), "
      "perf_event_open=(298, 241),\n"
      "  userfaultfd=(323, 282), keyctl=(250, 219), add_key=(248, 217), ptrace=(101, 117), setns=(308, "
      "268),\n"
      "  open_by_handle_at=(304, 265), init_module=(175, 105), kexec_load=(246, 104), reboot=(169, 142),\n"
      "  process_vm_readv=(310, 270), process_vm_writev=(311, 271), quotactl=(179, 60), acct=(163, 89),\n"
      "  clock_settime=(227, 112), swapon=(167, 224), fsopen=(430, 430), open_tree=(428, 428), chroot=(161, "
      "51))\n"
      "for name, numbers in calls.items():\n"
      "  ctypes.set_errno(0)\n"
      "  r = c.syscall(numbers[0 if x else 1], 0, 0, 0, 0, 0, 0)\n"
      "  if r != -1 or ctypes.get_errno() != errno.EPERM: print(name, r, ctypes.get_errno())\n"
      "for name, number in dict(io_uring_setup=425, clone3=435).items():\n"
      "  if c.syscall(number, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS: print(name, "
      "ctypes.get_errno())\n"
      "for flags in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x80):\n"
      "  if c.unshare(flags) != -1 or ctypes.get_errno() != errno.EPERM: print('unshare', hex(flags))\n"
      "if c.syscall(56 if x else 220, 0x10000000 | 17, 0, 0, 0, 0) != -1: print('clone newuser')\n"
      "for family in (40, 38, 17, 16 + 100):\n"  // vsock, alg, packet, none
      "  try: socket.socket(family, socket.SOCK_STREAM); print('family', family)\n"
      "  except OSError as e: print('family', family, e.errno) if e.errno not in (errno.EAFNOSUPPORT, "
      "errno.EPERM) else None\n"
      "import fcntl, pty\n"
      "m, s = pty.openpty()\n"
      "try: fcntl.ioctl(s, 0x5412, b'x'); print('tiocsti')\n"
      "except OSError as e: print('tiocsti', e.errno) if e.errno != errno.EPERM else None\n"
      "print('done', open('/proc/self/status').read().split('Seccomp:')[1].split()[0])\n");
  EXPECT_EQ(out, "done 2\n");
  EXPECT_TRUE(executor_->status("w")->limits.seccomp);
}

TEST_F(Isolation, NothingOfTheSystemCanBeWritten) {
  const std::string out = tries(
      "import os\n"
      "for top in ('/proc/sys', '/sys', '/dev', '/usr', '/etc', '/'):\n"
      "  for folder, folders, files in os.walk(top):\n"
      "    if folder.startswith('/proc/') and top == '/': folders[:] = []; continue\n"
      "    folders[:] = [f for f in folders if os.path.join(folder, f) not in ('/proc', '/tmp', '/data', "
      "'/dev')] "
      "if top == '/' else folders\n"
      "    if os.access(folder, os.W_OK) and not folder.startswith(('/dev/shm', '/dev/pts')): print(folder)\n"
      "    for f in files:\n"
      "      p = os.path.join(folder, f)\n"
      "      if p.startswith('/dev/') or os.path.islink(p): continue\n"
      "      if os.access(p, os.W_OK): print(p)\n");
  EXPECT_EQ(out, "");
}

TEST_F(Isolation, SetuidProgramsGiveNothing) {
  const std::string out =
      run(shell("for p in su mount passwd; do test -u /usr/bin/$p && /usr/bin/$p --version >/dev/null 2>&1; "
                "done; grep -E 'NoNewPrivs|CapInh|CapPrm|CapEff|CapAmb' /proc/self/status"));
  EXPECT_THAT(out, HasSubstr("NoNewPrivs:\t1"));
  for (const std::string set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
    EXPECT_THAT(out, HasSubstr(set + ":\t0000000000000000"));
}

TEST_F(Isolation, TheUsualToolsOfWorkloadsRun) {
  const std::string out = tries(
      "import multiprocessing as m, threading, subprocess, socket, tempfile, os, sqlite3\n"
      "def f(x): return x * x\n"
      "if __name__ == '__main__':\n"
      "  with m.get_context('fork').Pool(2) as p: print(sum(p.map(f, range(10))))\n"
      "  q = m.Queue(); t = threading.Thread(target=q.put, args=(7,)); t.start(); print(q.get())\n"
      "  print(subprocess.check_output(['sh', '-c', 'echo $((6*7))'], text=True).strip())\n"
      "  s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); "
      "print('tcp')\n"
      "  print(socket.gethostbyname('localhost'))\n"
      "  with tempfile.NamedTemporaryFile() as t: t.write(b'x'); print('tmp')\n"
      "  print(os.path.expanduser('~'), os.cpu_count() > 0)\n");
  EXPECT_EQ(out, "285\n7\n42\ntcp\n127.0.0.1\ntmp\n/data True\n");
}

}  // namespace
}  // namespace millrace::executor
