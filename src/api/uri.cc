#include "api/uri.h"

#include <fmt/format.h>

#include "host/utf8.h"

namespace millrace::api {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return failure(ErrorCode::kInvalidArgument, "the address holds a broken %-escape");
      decoded += char(high * 16 + low);
      i += 2;
    }
  }
  if (!host::is_utf8(decoded) || decoded.find('\0') != std::string::npos) {
    return failure(ErrorCode::kInvalidArgument, "the address is not UTF-8 text");
  }
  return decoded;
}

Result<std::vector<std::string>> path_segments(std::string_view path) {
  std::vector<std::string> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(TRY(percent_decode(path.substr(0, slash), false)));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

Result<std::map<std::string, std::string>> query_parameters(std::string_view query) {
  std::map<std::string, std::string> parameters;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (!pair.empty()) {
      std::string name = TRY(percent_decode(pair.substr(0, equals), true));
      std::string value = equals == std::string_view::npos
                              ? std::string()
                              : TRY(percent_decode(pair.substr(equals + 1), true));
      if (!parameters.emplace(name, std::move(value)).second) {
        return failure(ErrorCode::kInvalidArgument, fmt::format("query parameter {} comes twice", name));
      }
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return parameters;
}

}  // namespace millrace::api
