// ToolText: turns JSON text, which a schema forced the model to write, into the pieces of one tool call.
#pragma once

#include <string>
#include <string_view>

namespace millrace::engine::wire {

/// Two forms. With a name given beforehand the text is the arguments themselves. Without one it is
/// {"name": "...", "arguments": {...}}, in this order, as wire/tool_schema.h asks for.
class ToolText {
 public:
  explicit ToolText(std::string known_name) : name_(std::move(known_name)), bare_(!name_.empty()) {}

  /// Takes the next piece of text; answers the bytes of the arguments that it completes (may be empty). The view
  /// points into `text` or into this object and lives until the next call.
  std::string_view feed(std::string_view text);
  /// True as soon as name() is known and the call can be announced.
  bool open() const { return open_; }
  const std::string& name() const { return name_; }
  /// True when the arguments' last byte has been seen, or the text turned out to be no call.
  bool complete() const { return complete_; }

 private:
  std::string_view take_arguments(std::string_view text);
  bool read_head();

  std::string name_;
  bool bare_;
  bool open_ = false;
  bool complete_ = false;
  std::string head_;  // what precedes the arguments; bounded by the longest tool name the caller lets through
  std::string arguments_;  // the arguments' first bytes, which came with the head
  bool started_ = false;   // the arguments' first byte has been seen
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace millrace::engine::wire
