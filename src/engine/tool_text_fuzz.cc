// Any text as a forced tool call: where it is cut changes nothing, and what is given is part of the text.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/wire/tool_text.h"

namespace {

std::string arguments_of(std::string name, std::string_view text, std::size_t step) {
  millrace::engine::wire::ToolText reader(std::move(name));
  std::string arguments;
  for (std::size_t at = 0; at < text.size(); at += step) arguments += reader.feed(text.substr(at, step));
  return reader.name() + arguments;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Beyond the bound of the head the cut decides how much of it is looked at.
  if (size == 0 || size > 4000) return 0;
  const std::string name = data[0] % 2 == 0 ? "f" : "";
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = arguments_of(name, text, size);
  if (whole != arguments_of(name, text, 1) || whole.size() > size + 1) std::abort();
  return 0;
}
