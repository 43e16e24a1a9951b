// Idempotency: the same POST sent twice under one Idempotency-Key acts once and is answered twice alike.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "api/call.h"
#include "core/clock.h"
#include "host/sha256.h"

namespace millrace::api {

/// Kept in memory: a restart of the server forgets, and then only the names of resources guard against doing a thing
/// twice. Answers may hold a new key's text, which must not reach the disk. Safe from any thread.
class IdempotencyKeys {
 public:
  struct Options {
    std::size_t entries_max = 4096;  // the oldest finished one makes room
    std::chrono::seconds kept_for{24 * 3600};
  };
  enum class State {
    kFresh,     // do the work, then call `finish`
    kReplay,    // answer with `answer`
    kInWork,    // the first request is still running: 409
    kMismatch,  // the key was used for another body: 422
    kFull,      // too many requests in work: 503
  };
  struct Begin {
    State state = State::kFresh;
    Reply answer;
  };

  IdempotencyKeys(const Clock& clock, Options options) : clock_(clock), options_(options) {}

  /// `scope` names the caller and the route, so that callers cannot see each other's answers.
  Begin begin(const std::string& scope, const std::string& key, std::string_view body);

  /// Ends what `begin` answered kFresh for. An answer of 500 or above is forgotten, so that a retry can succeed.
  void finish(const std::string& scope, const std::string& key, const Reply& answer);

 private:
  using Name = std::pair<std::string, std::string>;
  struct Entry {
    host::Sha256Digest body{};
    bool done = false;
    Reply answer;
    MonotonicPoint at{};
    std::list<Name>::iterator place;
  };

  void make_room();

  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::map<Name, Entry> entries_;  // guarded by mutex_
  std::list<Name> by_age_;         // guarded by mutex_; oldest first
};

}  // namespace millrace::api
