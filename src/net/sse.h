// Server-sent events (HTML Living Standard, 9.2): a bounded reader, and the writer.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::net {

/// Views are good until the callback returns.
struct SseEvent {
  std::string_view event;  // "" if the event has no `event` field
  std::string_view data;   // `data` lines joined with LF
};

class SseHandler {
 public:
  /// Returning false stops the reader: feed() drops the rest of its bytes.
  virtual bool on_event(const SseEvent& event) = 0;

 protected:
  ~SseHandler() = default;
};

/// Bytes in any cut. Lines end in LF, CRLF or CR; comments, `id`, `retry` and unknown fields are dropped; an event
/// without data is not reported; a leading byte order mark is skipped. An unfinished event at the end of the stream
/// is dropped, as the standard says. Not thread-safe.
class SseReader {
 public:
  explicit SseReader(std::size_t max_event_bytes = 1024 * 1024) : max_event_bytes_(max_event_bytes) {}

  /// kCorrupt when one event or line is longer than max_event_bytes; the reader must not be fed afterwards.
  Result<void> feed(std::string_view bytes, SseHandler& handler);

 private:
  bool take_line(std::string_view line, SseHandler& handler);
  bool dispatch(SseHandler& handler);

  const std::size_t max_event_bytes_;
  std::string line_;  // start of a line whose end has not come
  std::string data_;
  std::string event_;
  std::size_t data_lines_ = 0;
  bool after_cr_ = false;
  bool first_line_ = true;
  bool stopped_ = false;
};

/// Appends an event; `event` "" leaves the field out; `data` may hold LF and is then written as several lines.
void append_sse(std::string& out, std::string_view event, std::string_view data);

}  // namespace millrace::net
