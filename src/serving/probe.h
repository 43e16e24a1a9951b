// Prober: asks an engine on its unix socket how it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/result.h"

namespace millrace::serving {

/// What an engine tells of itself once its model is loaded.
struct EngineProps {
  std::int64_t slots = 0;
  std::int64_t context_tokens = 0;  // of one slot
  bool template_has_tools = false;
  bool template_has_reasoning = false;
};

/// Each call blocks for at most its implementation's timeout. Safe from any thread.
class Prober {
 public:
  virtual ~Prober() = default;
  /// Success: ready. kUnavailable: not there, or still loading. kTimeout: connected, no answer.
  virtual Result<void> health(const std::string& socket) = 0;
  virtual Result<EngineProps> props(const std::string& socket) = 0;
  /// Slots that are working on a request now.
  virtual Result<std::int64_t> busy_slots(const std::string& socket) = 0;
};

/// HTTP/1.0 over the socket, answers of at most 4 MiB.
class SocketProber final : public Prober {
 public:
  explicit SocketProber(std::chrono::milliseconds timeout = std::chrono::milliseconds(2000))
      : timeout_(timeout) {}
  Result<void> health(const std::string& socket) override;
  Result<EngineProps> props(const std::string& socket) override;
  Result<std::int64_t> busy_slots(const std::string& socket) override;

 private:
  const std::chrono::milliseconds timeout_;
};

}  // namespace millrace::serving
