// Engines as a test says they are.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "serving/probe.h"

namespace millrace::serving {

/// Every socket answers as ready until a test says otherwise.
class FakeProber final : public Prober {
 public:
  struct Engine {
    bool ready = true;
    bool hangs = false;
    std::int64_t busy = 0;
    EngineProps props{
        .slots = 4, .context_tokens = 2048, .template_has_tools = false, .template_has_reasoning = false};
  };
  /// Sets what sockets answer whose path holds `part`.
  void set(const std::string& part, Engine engine) {
    const std::lock_guard lock(mutex_);
    engines_[part] = engine;
  }
  Result<void> health(const std::string& socket) override {
    const Engine engine = find(socket);
    if (engine.hangs) return failure(ErrorCode::kTimeout, "no answer");
    if (!engine.ready) return failure(ErrorCode::kUnavailable, "loading");
    return {};
  }
  Result<EngineProps> props(const std::string& socket) override {
    TRY_VOID(health(socket));
    return find(socket).props;
  }
  Result<std::int64_t> busy_slots(const std::string& socket) override {
    TRY_VOID(health(socket));
    return find(socket).busy;
  }

 private:
  Engine find(const std::string& socket) {
    const std::lock_guard lock(mutex_);
    for (const auto& [part, engine] : engines_)
      if (socket.find(part) != std::string::npos) return engine;
    return {};
  }
  std::mutex mutex_;
  std::map<std::string, Engine> engines_;  // guarded by mutex_
};

}  // namespace millrace::serving
