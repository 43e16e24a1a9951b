#include "net/http_writer.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "net/http_chars.h"

namespace millrace::net {

namespace {

// clang-format off
constexpr std::pair<int, std::string_view> kReasons[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"},
    {204, "No Content"}, {206, "Partial Content"}, {301, "Moved Permanently"}, {302, "Found"},
    {303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
    {400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"},
    {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"},
    {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {417, "Expectation Failed"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {499, "Client Closed Request"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"}, {529, "Overloaded"},
};
// clang-format on

void append_number(std::string& out, std::uint64_t value, int base) {
  std::array<char, 20> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, base).ptr;
  out.append(text.data(), end);
}
}  // namespace

std::string_view reason_phrase(int status) {
  for (const auto& [code, text] : kReasons) {
    if (code == status) return text;
  }
  return "Unknown";
}

void append_status_line(std::string& out, int status) {
  if (status == 200) {
    out.append("HTTP/1.1 200 OK\r\n");
    return;
  }
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status), 10);
  out.append(" ").append(reason_phrase(status)).append("\r\n");
}

void append_request_line(std::string& out, std::string_view method, std::string_view target) {
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name)) return;
  const auto before = out.size();
  const auto start = before + name.size() + 2;
  const auto after = start + value.size() + 2;
  out.resize_and_overwrite(after, [&](char* bytes, std::size_t /*libstdc++ 12 tells the capacity*/) {
    bytes += before;
    std::memcpy(bytes, name.data(), name.size());
    std::memcpy(bytes + name.size(), ": ", 2);
    if (!value.empty()) std::memcpy(bytes + name.size() + 2, value.data(), value.size());
    std::memcpy(bytes + name.size() + 2 + value.size(), "\r\n", 2);
    return after;
  });
  if (field_text_length(value) == value.size()) return;
  for (auto at = start; at < start + value.size(); ++at) {
    if (!is_field_char(out[at])) out[at] = ' ';
  }
}

void append_header(std::string& out, std::string_view name, std::uint64_t value) {
  out.append(name).append(": ");
  append_number(out, value, 10);
  out.append("\r\n");
}

void append_headers(std::string& out, std::span<const Header> headers) {
  for (const Header& header : headers) append_header(out, header.name, header.value);
}

void append_chunk(std::string& out, std::string_view piece) {
  if (piece.empty()) return;
  append_number(out, piece.size(), 16);
  out.append("\r\n").append(piece).append("\r\n");
}

void append_last_chunk(std::string& out) { out.append("0\r\n\r\n"); }

std::string http_date(std::int64_t unix_seconds) {
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds time{std::chrono::seconds{unix_seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const auto second = (time - day).count();
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     second / 3600, second / 60 % 60, second % 60);
}

}  // namespace millrace::net
