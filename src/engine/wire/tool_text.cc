#include "engine/wire/tool_text.h"

namespace millrace::engine::wire {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::size_t kMaxHeadBytes = 4096;

/// Position just after `"key"`, white space and ':' in `text`; npos if they are not there. A string value of the
/// same text is passed over, as no colon follows it.
std::size_t after_key(std::string_view text, std::string_view quoted_key) {
  for (std::size_t at = text.find(quoted_key); at != std::string_view::npos;
       at = text.find(quoted_key, at + 1)) {
    const std::size_t next = text.find_first_not_of(kSpace, at + quoted_key.size());
    if (next != std::string_view::npos && text[next] == ':') return next + 1;
  }
  return std::string_view::npos;
}

}  // namespace

bool ToolText::read_head() {
  const std::size_t arguments = after_key(head_, "\"arguments\"");
  if (arguments == std::string_view::npos) return false;
  const std::size_t colon = after_key(std::string_view(head_).substr(0, arguments), "\"name\"");
  if (colon != std::string_view::npos) {
    const std::size_t quote = head_.find('"', colon);
    const std::size_t end = quote == std::string::npos ? quote : head_.find('"', quote + 1);
    if (end != std::string::npos && end < arguments) name_ = head_.substr(quote + 1, end - quote - 1);
  }
  arguments_ = head_.substr(arguments);
  head_.clear();
  complete_ = name_.empty();  // arguments of no tool: the text is not of the form that was asked for
  return !complete_;
}

std::string_view ToolText::feed(std::string_view text) {
  if (complete_) return {};
  if (open_) return take_arguments(text);
  if (bare_) {
    open_ = true;
    return take_arguments(text);
  }
  if (head_.size() + text.size() > kMaxHeadBytes) return {};
  head_.append(text);
  if (!read_head()) return {};
  open_ = true;
  return take_arguments(arguments_);
}

std::string_view ToolText::take_arguments(std::string_view text) {
  if (!started_) {
    const std::size_t start = text.find_first_not_of(kSpace);
    if (start == std::string_view::npos) return {};
    text.remove_prefix(start);
    started_ = true;
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c != '}' && c != ']') continue;
    if (--depth_ <= 0) {
      complete_ = true;
      return text.substr(0, at + 1);
    }
  }
  return text;
}

}  // namespace millrace::engine::wire
