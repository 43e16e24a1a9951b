// Client: the control API and the inference API of one running Millrace, for commands.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::cli {

/// Where Millrace answers and with which keys: from the files of the home folder that is named (--home, or MILLRACE_HOME where
/// Millrace has run on it); else from the environment (MILLRACE_URL, MILLRACE_KEY, MILLRACE_CA_FILE); else from the files of
/// ~/.millrace. Key and authorities of the environment count for a named home, too, but not beside a MILLRACE_URL that is
/// another address.
struct Settings {
  std::string home;
  std::string url;            // no path, no trailing slash
  std::string key;            // bootstrap key, or what MILLRACE_KEY holds
  std::string developer_key;  // of project default; empty if unknown
  std::string ca_file;        // empty: the system's
  bool is_of_home = false;    // the address was found in the home folder
};

/// kUnavailable if nothing tells where Millrace runs.
Result<Settings> find_settings(const std::string& home);

/// One thread. Each call opens a connection of its own.
class Client {
 public:
  explicit Client(Settings settings) : settings_(std::move(settings)) {}
  const Settings& settings() const { return settings_; }

  /// The answer's JSON (null for an empty body). An error answer becomes an Error with the problem's detail.
  /// `path` starts with /api/v1.
  Result<boost::json::value> call(std::string_view method, std::string_view path,
                                  const boost::json::value* body = nullptr) const;
  /// PUT of bytes; the answer's JSON.
  Result<boost::json::value> put_bytes(std::string_view path, std::string bytes) const;
  /// The answer's body, text or bytes.
  Result<std::string> text(std::string_view path) const;
  /// Calls `visit` for each element of "data", over all pages. `path` may hold a query.
  Result<void> each(const std::string& path,
                    const std::function<void(const boost::json::value&)>& visit) const;
  /// POST with the developer's key; `on_bytes` gets the body as it comes (a stream of events).
  Result<int> stream(std::string_view path, const std::string& body,
                     const std::function<bool(std::string_view)>& on_bytes) const;

 private:
  Settings settings_;
};

/// Percent-encodes one path segment or query value.
std::string url_encode(std::string_view text);

}  // namespace millrace::cli
