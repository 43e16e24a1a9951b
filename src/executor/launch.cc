#include "executor/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "executor/inside/channel.h"
#include "host/file.h"
#include "host/process.h"

namespace millrace::executor {

Result<host::Fd> memory_file(std::string_view bytes) {
  host::Fd fd(::memfd_create("millrace", MFD_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("memfd_create", errno));
  TRY_VOID(host::write_all(fd.get(), bytes));
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return std::unexpected(errno_error("lseek", errno));
  return fd;
}

Result<Launched> launch(const Sandbox& sandbox, const std::string& archive) {
  int pipe_ends[2], channel_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return std::unexpected(errno_error("pipe", errno));
  Launched launched{.output = host::Fd(pipe_ends[0]), .channel = {}};
  const host::Fd output(pipe_ends[1]);
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel_ends) != 0)
    return std::unexpected(errno_error("socketpair", errno));
  launched.channel = host::Fd(channel_ends[0]);
  const host::Fd channel(channel_ends[1]);
  const int yes = 1;
  ::setsockopt(launched.channel.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes);
  for (const int fd : {launched.output.get(), launched.channel.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);

  host::ProcessSpec process;
  process.pass_fds = {{channel.get(), Sandbox::kChannelFd}};
  host::Fd tar;
  if (!archive.empty()) {
    tar = host::Fd(::open(archive.c_str(), O_RDONLY | O_CLOEXEC));
    if (!tar) return failure(ErrorCode::kNotFound, errno_error("open the archive " + archive, errno).message);
    process.pass_fds.emplace_back(tar.get(), Sandbox::kArchiveFd);
  }
  std::vector<host::Fd> files;
  for (const SandboxFile& file : sandbox.files) {
    if (!file.open) files.push_back(TRY(memory_file(file.bytes)));
    process.pass_fds.emplace_back(file.open ? file.open.get() : files.back().get(), file.fd);
  }
  process.argv = sandbox.argv;
  process.env = std::vector<std::string>{"PATH=/usr/local/bin:/usr/bin:/bin"};
  process.cwd = "/";
  process.stdout_fd = process.stderr_fd = output.get();
  process.die_with_parent = true;
  launched.bwrap = TRY(host::spawn(process));
  return launched;
}

std::optional<InsideMessage> receive_inside(int channel) {
  std::array<char, 1024> text{};
  union {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sizeof(ucred))> bytes;
  } control{};
  iovec part{.iov_base = text.data(), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got <= 0) return std::nullopt;
  InsideMessage out{.what = text[0], .text = {text.data() + 1, static_cast<std::size_t>(got - 1)}};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
    out.sender = sender.pid;
  }
  return out;
}

void send_inside(int channel, char what) { (void)!::send(channel, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT); }

host::Fd process_handle(pid_t pid) { return host::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

void signal_process(const host::Fd& handle, int number) {
  if (handle) ::syscall(SYS_pidfd_send_signal, handle.get(), number, nullptr, 0);
}

bool wait_ended(const host::Fd& handle, int timeout_ms) {
  if (!handle) return true;
  pollfd item{.fd = handle.get(), .events = POLLIN, .revents = 0};
  return ::poll(&item, 1, timeout_ms) > 0;
}

}  // namespace millrace::executor
