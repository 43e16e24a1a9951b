// Signals: SIGTERM, SIGINT and SIGHUP as events of a loop.
#pragma once

#include <functional>
#include <memory>

#include "core/result.h"
#include "host/fd.h"
#include "net/loop.h"

namespace millrace::apps {

/// Blocks the three signals for this thread and those it starts from now on.
void block_signals();

/// Blocks the three signals and calls `on_signal` on the loop's thread.
class Signals final : private net::FdHandler {
 public:
  static Result<std::unique_ptr<Signals>> create(net::Loop& loop, std::function<void(int)> on_signal);
  ~Signals();

 private:
  Signals(net::Loop& loop, host::Fd fd, std::function<void(int)> on_signal);
  void on_events(std::uint32_t events) override;

  net::Loop& loop_;
  host::Fd fd_;
  const std::function<void(int)> on_signal_;
};

}  // namespace millrace::apps
