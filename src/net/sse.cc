#include "net/sse.h"

#include <utility>

namespace millrace::net {

Result<void> SseReader::feed(std::string_view bytes, SseHandler& handler) {
  while (!bytes.empty() && !stopped_) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const auto end = bytes.find_first_of("\r\n");
    const auto length = end == std::string_view::npos ? bytes.size() : end;
    if (line_.size() + data_.size() + length > max_event_bytes_) {
      return failure(ErrorCode::kCorrupt, "an event of the stream is too long");
    }
    if (end == std::string_view::npos) {
      line_.append(bytes);
      return {};
    }
    after_cr_ = bytes[end] == '\r';
    if (line_.empty()) {
      stopped_ = !take_line(bytes.substr(0, end), handler);
    } else {
      line_.append(bytes.substr(0, end));
      const std::string line = std::exchange(line_, {});
      stopped_ = !take_line(line, handler);
    }
    bytes.remove_prefix(end + 1);
  }
  return {};
}

bool SseReader::take_line(std::string_view line, SseHandler& handler) {
  if (first_line_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  first_line_ = false;
  if (line.empty()) return dispatch(handler);
  const auto colon = line.find(':');
  const auto field = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (data_lines_++ > 0) data_.push_back('\n');
    data_.append(value);
  } else if (field == "event") {
    event_.assign(value);
  }
  return true;
}

bool SseReader::dispatch(SseHandler& handler) {
  bool go_on = true;
  if (data_lines_ > 0) go_on = handler.on_event({event_, data_});
  data_.clear();
  event_.clear();
  data_lines_ = 0;
  return go_on;
}

void append_sse(std::string& out, std::string_view event, std::string_view data) {
  if (!event.empty()) out.append("event: ").append(event).append("\n");
  while (true) {
    const auto lf = data.find('\n');
    out.append("data: ").append(data.substr(0, lf)).append("\n");
    if (lf == std::string_view::npos) break;
    data.remove_prefix(lf + 1);
  }
  out.append("\n");
}

}  // namespace millrace::net
