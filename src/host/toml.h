// Toml: reads tables of a TOML file, or of the same written as JSON, by key and type, with errors that name file, line
// and key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::host {

struct TomlNode;  // of toml_node.h
class TomlTable;
using TomlScalar = std::variant<std::string, std::int64_t, double>;

/// A whole file. Fallible reads read straight down: every reader of a table gives a value, and the first fault of the
/// document is kept and returned by `finish`. One thread at a time.
class TomlDocument {
 public:
  /// Whether a text that may be either is to be read as JSON: it starts with '{'.
  static bool is_json(std::string_view text);
  /// kInvalidArgument, naming file and line, for text that is not TOML.
  static Result<std::unique_ptr<TomlDocument>> parse(std::string_view text, std::string file);
  /// The same from a JSON object: kInvalidArgument also for a key that stands twice. A null is a value of no type that any
  /// reader takes.
  static Result<std::unique_ptr<TomlDocument>> parse_json(std::string_view text, std::string file);
  ~TomlDocument();
  TomlDocument(const TomlDocument&) = delete;
  TomlDocument& operator=(const TomlDocument&) = delete;

  TomlTable root();
  /// A key that no read asked for ("there is no such key; did you mean 'x'?"), else the first fault of any read: a key written wrongly is often
  /// the cause of the other. After a fault only tables that were read at all count. Call it once everything is read, before
  /// the values are used.
  Result<void> finish();
  /// Keeps `message` as the fault if none was before: for checks by the caller.
  void fail(std::int64_t line, std::string_view key, std::string_view message);
  bool failed() const { return fault_.has_value(); }
  const std::string& file() const { return file_; }
  /// Every key that was ever asked for, as "section.key" ("node_type.name"): what a reader knows.
  const std::set<std::string>& asked() const { return asked_; }

 private:
  friend class TomlTable;
  explicit TomlDocument(std::string file);
  std::optional<Error> find_unread(const TomlNode& node, const std::string& path) const;

  std::string file_;
  std::unique_ptr<TomlNode> top_;
  std::optional<Error> fault_;
  std::set<std::string> asked_;
};

/// A view of one table of a document, which must outlive it. The readers without a fallback make an absent key a fault;
/// all make a wrong type or a value out of range one, and answer the fallback (or an empty value) then.
class TomlTable {
 public:
  std::string text(std::string_view key);
  std::string text(std::string_view key, std::string_view fallback);
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most);
  std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most, std::int64_t fallback);
  /// Integers count as numbers.
  double number(std::string_view key, double least, double most);
  double number(std::string_view key, double least, double most, double fallback);
  /// nullopt if absent.
  std::optional<double> maybe_number(std::string_view key, double least, double most);
  bool truth(std::string_view key, bool fallback);
  /// A date or date-time of TOML, or one in quotes (RFC 3339). A date-time without an offset is UTC.
  std::optional<TimePoint> maybe_time(std::string_view key);
  /// A string or a number, as it was written; `wanted` describes it in the fault of another type. nullopt if absent.
  std::optional<TomlScalar> maybe_scalar(std::string_view key, std::string_view wanted);
  /// Absent: empty.
  std::vector<std::string> texts(std::string_view key);
  /// The same, and a string alone counts as an array of one.
  std::vector<std::string> text_or_texts(std::string_view key);
  std::vector<double> numbers(std::string_view key, double least, double most);
  /// The tables of [[key]] or key = [{...}]; absent: none.
  std::vector<TomlTable> tables(std::string_view key);
  /// [key]; absent: a table without any keys, so that every fallback holds.
  TomlTable table(std::string_view key);

  bool has(std::string_view key) const;
  /// What is there, in the order of the lines.
  std::vector<std::string> keys() const;
  std::int64_t line() const;
  /// nullopt if the key is absent.
  std::optional<std::int64_t> line_of(std::string_view key) const;
  /// Keeps a fault at `key` of this table.
  void fail(std::string_view key, std::string_view message);
  /// "node_type.name"
  std::string path_of(std::string_view key) const;

 private:
  friend class TomlDocument;
  TomlTable(TomlDocument& document, TomlNode* node, std::string path)
      : document_(&document), node_(node), path_(std::move(path)) {}
  TomlNode* find(std::string_view key);
  void wrong(const TomlNode& node, std::string_view key, std::string_view wanted);

  TomlDocument* document_;
  TomlNode* node_;  // nullptr: the table is absent
  std::string path_;
};

}  // namespace millrace::host
