// The first process of a sandbox: gives up power, unpacks, starts the program, reaps, and tells how it all ended.
// A static program that is part of Millrace, so that nothing of an image runs with any power.
// Arguments: the number of the descriptor with the instructions, and that of the channel (channel.h).
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>

#include "executor/inside/channel.h"

namespace {

namespace inside = millrace::executor::inside;

constexpr int kMaxArguments = 65536;
constexpr int kCannotExecute = 127;  // as shells say it

int g_channel = -1;
char g_instructions[inside::kMaxInstructionBytes + 1];
char* g_arguments[kMaxArguments + 1];

struct Job {
  int uid = -1;
  const char* workdir = "/";
  int archive = -1;
  int arguments = 0;
};

int number(const char* text) {
  int value = -1;
  std::from_chars(text, text + strlen(text), value);
  return value;
}

void tell(char what, const char* text = "", size_t size = 0) {
  char message[1024];
  message[0] = what;
  if (size > sizeof message - 1) size = sizeof message - 1;
  memcpy(message + 1, text, size);
  (void)!send(g_channel, message, size + 1, MSG_NOSIGNAL);
}

[[noreturn]] void give_up(const char* what, const char* name, int problem) {
  char text[900];
  size_t size = 0;
  const char* parts[] = {what, " ", name, problem != 0 ? ": " : "", problem != 0 ? strerror(problem) : ""};
  for (const char* part : parts)
    for (; *part != '\0' && size < sizeof text; ++part) text[size++] = *part;
  tell(inside::kNotStarted, text, size);
  _exit(kCannotExecute);
}

// Blocks until the supervisor says go; without a supervisor there is nothing to do here.
void wait_for_go() {
  for (;;) {
    char answer = 0;
    const ssize_t got = recv(g_channel, &answer, 1, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got == 1 && answer == inside::kGo) return;
    if (got <= 0 || answer == inside::kKill) _exit(kCannotExecute);
  }
}

size_t read_instructions(int fd) {
  size_t size = 0;
  for (ssize_t got; (got = read(fd, g_instructions + size, inside::kMaxInstructionBytes - size)) > 0;)
    size += static_cast<size_t>(got);
  close(fd);
  return size;
}

void own(const char* path, int uid) {
  if (uid >= 0 && (chmod(path, 0400) != 0 || chown(path, uid, uid) != 0)) give_up("own", path, errno);
}

Job follow(size_t size) {
  Job job;
  const char* end = g_instructions + size;
  for (char* name = g_instructions; name < end;) {
    char* value = name + strlen(name) + 1;
    if (value >= end) give_up("instruction", name, EINVAL);
    if (strcmp(name, "uid") == 0) job.uid = number(value);
    if (strcmp(name, "own") == 0) own(value, job.uid);
    if (strcmp(name, "workdir") == 0) job.workdir = value;
    if (strcmp(name, "unpack") == 0) job.archive = number(value);
    if (strcmp(name, "arg") == 0 && job.arguments < kMaxArguments) g_arguments[job.arguments++] = value;
    name = value + strlen(value) + 1;
  }
  if (job.arguments == 0) give_up("instructions", "name no program", 0);
  return job;
}

void give_up_power(int uid) {
  if (uid >= 0) {
    for (int capability = 0; capability < 64; ++capability) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (setgroups(0, nullptr) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
      give_up("give up root", "", errno);
    if (setresuid(0, 0, 0) == 0) give_up("give up root", "was not for good", 0);
  }
  // Changing user leaves the inheritable set as it was.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
  if (syscall(SYS_capset, &header, none) != 0) give_up("give up capabilities", "", errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("set no_new_privs", "", errno);
  // The program is the same user: it must not write into this process. Changing user forgets the death signal.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

void become_child(const char* workdir) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  if (chdir(workdir) != 0) give_up("change to the working folder", workdir, errno);
}

// Not followed by anything but an exec: every descriptor above 2 goes with it.
void close_others_on_exec() {
#ifdef SYS_close_range
  syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC, not in every header */);
#endif
}

void unpack(const Job& job) {
  const pid_t pid = fork();
  if (pid < 0) give_up("unpack the archive:", "fork", errno);
  if (pid == 0) {
    become_child(job.workdir);
    dup2(job.archive, 0);
    close_others_on_exec();
    umask(022);
    char tar[] = "tar", extract[] = "-x", from[] = "-f", stdin_name[] = "-", owner[] = "--no-same-owner",
         mode[] = "--no-same-permissions";
    char* arguments[] = {tar, extract, from, stdin_name, owner, mode, nullptr};
    execvp(tar, arguments);
    give_up("unpack the archive: the image has no program", tar, errno);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  close(job.archive);
  if (status != 0)
    give_up("the archive could not be unpacked into", job.workdir, 0);  // tar has told why in the log
  tell(inside::kUnpacked);
  wait_for_go();
}

pid_t start(const Job& job) {
  int executed[2];
  if (pipe2(executed, O_CLOEXEC) != 0) give_up("start the program:", "pipe", errno);
  const pid_t pid = fork();
  if (pid < 0) give_up("start the program:", "fork", errno);
  if (pid == 0) {
    become_child(job.workdir);
    tell(inside::kProgram);
    close_others_on_exec();
    execvp(g_arguments[0], g_arguments);
    give_up("start", g_arguments[0], errno);
  }
  close(executed[1]);
  char nothing = 0;
  while (read(executed[0], &nothing, 1) < 0 && errno == EINTR) {
  }
  close(executed[0]);
  tell(inside::kRunning);
  return pid;
}

bool reap(pid_t program, int& status) {
  bool ended = false;
  int any = 0;
  for (pid_t pid; (pid = waitpid(-1, &any, WNOHANG)) > 0;) {
    if (pid != program) continue;
    status = any;
    ended = true;
  }
  return ended;
}

void end_all() {
  for (;;) {
    kill(-1, SIGKILL);
    if (waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

// Until the program has ended; then nothing else is left.
int watch(pid_t program, int signals) {
  int status = 0;
  for (;;) {
    pollfd items[2] = {{signals, POLLIN, 0}, {g_channel, POLLIN, 0}};
    if (poll(items, 2, -1) < 0 && errno != EINTR) _exit(kCannotExecute);
    if (items[1].revents != 0) {
      char command = 0;
      if (recv(g_channel, &command, 1, 0) <= 0) _exit(kCannotExecute);
      if (command == inside::kKill) kill(-1, SIGKILL);
    }
    if (items[0].revents != 0) {
      signalfd_siginfo info;
      while (read(signals, &info, sizeof info) > 0) {
      }
      if (reap(program, status)) break;
    }
  }
  end_all();
  return status;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return kCannotExecute;
  g_channel = number(words[2]);
  fcntl(g_channel, F_SETFD, FD_CLOEXEC);
  tell(inside::kHello);
  wait_for_go();
  const Job job = follow(read_instructions(number(words[1])));
  give_up_power(job.uid);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  const int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (job.archive >= 0) unpack(job);
  const int status = watch(start(job), signals);
  rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  inside::Ended ended;
  ended.wait_status = status;
  ended.cpu_time_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec +
                      used.ru_stime.tv_usec;
  ended.memory_peak_bytes = used.ru_maxrss * 1024LL;
  char bytes[sizeof ended];
  memcpy(bytes, &ended, sizeof ended);
  tell(inside::kEnded, bytes, sizeof bytes);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
