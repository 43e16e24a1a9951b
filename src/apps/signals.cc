#include "apps/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace millrace::apps {

namespace {

sigset_t handled() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = handled();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Result<std::unique_ptr<Signals>> Signals::create(net::Loop& loop, std::function<void(int)> on_signal) {
  block_signals();
  const sigset_t set = handled();
  host::Fd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("signalfd", errno));
  std::unique_ptr<Signals> signals(new Signals(loop, std::move(fd), std::move(on_signal)));
  TRY_VOID(loop.watch(signals->fd_.get(), EPOLLIN, *signals));
  return signals;
}

Signals::Signals(net::Loop& loop, host::Fd fd, std::function<void(int)> on_signal)
    : loop_(loop), fd_(std::move(fd)), on_signal_(std::move(on_signal)) {}

Signals::~Signals() { loop_.unwatch(fd_.get(), *this); }

void Signals::on_events(std::uint32_t /*events*/) {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == sizeof info) on_signal_(static_cast<int>(info.ssi_signo));
}

}  // namespace millrace::apps
