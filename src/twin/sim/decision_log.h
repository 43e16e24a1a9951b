// Decision log: every decision of a run, one line each; the same run writes the same bytes (invariant I9).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "host/fd.h"
#include "host/sha256.h"
#include "twin/sim/event_queue.h"

namespace millrace::twin {

/// A line is four fields between tabs: time (RFC 3339, UTC, six decimals), what it is about (a workload ("job-7"), or a node's,
/// feed's or site's name), the decision (docs/twin.md lists them), and the reason. Tabs and line ends inside a field become
/// spaces.
class DecisionLog {
 public:
  /// Only counts and digests.
  DecisionLog() = default;
  /// Also writes to `path`, replacing what was there.
  static Result<DecisionLog> create(const std::string& path);

  void add(VirtualTime at, std::string_view about, std::string_view decision, std::string_view reason);

  /// Call once, last. The SHA-256 of all bytes written, in hex: what sha256sum prints of the file.
  Result<std::string> finish();
  std::int64_t lines() const { return lines_; }

 private:
  void put_time(VirtualTime at);
  void put_field(std::string_view text);
  void flush();

  host::Fd file_;
  std::string path_;
  host::Sha256 digest_;
  std::string buffer_;
  std::string day_;  // "2026-11-22T" of day_number_
  std::int64_t day_number_ = INT64_MIN;
  std::int64_t lines_ = 0;
  Result<void> written_;  // the first failure of writing
};

}  // namespace millrace::twin
