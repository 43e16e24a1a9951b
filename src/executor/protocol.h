// The supervisor's wire protocol: one line of JSON asked, one answered, then the connection closes.
//   {"version":1,"op":"status"}                 -> {"version":1,"ok":true,"status":{...}}
//   {"version":1,"op":"stop","grace_ms":5000}   -> {"version":1,"ok":true,"status":{...}}
//   {"version":1,"op":"set_cpu","millis":500}   -> {"version":1,"ok":true,"status":{...}}
//   {"version":1,"op":"log","from":-1,"max":N}  -> {"version":1,"ok":true,"from":0,"text":"...","next":17}
//   anything else                               -> {"version":1,"ok":false,"code":"invalid_argument","error":"..."}
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "executor/executor.h"

namespace millrace::executor {

inline constexpr std::size_t kMaxRequestBytes = 4096;
inline constexpr std::size_t kMaxAnswerBytes = 2 << 20;
inline constexpr std::size_t kMaxLogText = 16 << 10;  // of one answer, so that it fits a socket buffer

struct ControlRequest {
  enum class Op : std::uint8_t { kStatus, kStop, kSetCpu, kLog } op = Op::kStatus;
  std::int64_t grace_ms = 0;
  std::int64_t millis = 0;
  std::int64_t from = 0;
  std::int64_t max = 0;
};

/// kInvalidArgument for what this version does not know.
Result<ControlRequest> parse_request(std::string_view line);
std::string to_json(const ControlRequest& request);
std::string error_answer(const Error& error);
std::string status_answer(const WorkloadStatus& status);
std::string log_answer(const LogPiece& piece);
/// kCorrupt for bytes that are no answer; the supervisor's own error if it refused (kUnavailable, or kInternal).
Result<WorkloadStatus> parse_status_answer(std::string_view line);

/// Asks the supervisor at `socket`. kUnavailable if nobody listens, kTimeout after `timeout`. Any thread.
Result<WorkloadStatus> ask(const std::string& socket, const ControlRequest& request,
                           std::chrono::milliseconds timeout);

/// A listening stream socket at `path` (mode 0600, non-blocking); one that lies there from earlier is replaced.
Result<int> listen_unix(const std::string& path);

}  // namespace millrace::executor
