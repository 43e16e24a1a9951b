// Csv: strict reading of separated values from text, with errors that name file, line and column; and fields to write.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::twin {

/// A column of a header by its place; kNoColumn where an optional one is absent.
using CsvColumn = std::size_t;
inline constexpr CsvColumn kNoColumn = SIZE_MAX;

/// Without the byte order mark that spreadsheets and some editors write first.
std::string_view without_bom(std::string_view text);

/// Rows of a text, which must outlive the reader. Lines end with LF or CRLF; the last may lack its end; empty lines are
/// skipped. A field may stand in double quotes; a quote inside is written twice (RFC 4180, but for line ends in a field).
/// Every row must be as wide as the first. The first fault ends the rows and is kept: read all, then ask `finish`. Lines and
/// columns count from 1.
class CsvReader {
 public:
  /// With `header`, the first row names the columns.
  CsvReader(std::string_view text, std::string file, char separator, bool header);
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  /// The column of the header called `name`; a fault if there is none, or two.
  CsvColumn column(std::string_view name);
  CsvColumn maybe_column(std::string_view name);
  /// A fault if the header has a column that was not asked for.
  void refuse_others();
  const std::vector<std::string_view>& names() const { return names_; }

  /// Goes to the next row; false at the end and after a fault.
  bool next();
  std::size_t width() const { return fields_.size(); }
  std::int64_t line() const { return line_; }

  /// Fields of the row. An absent column is empty. Numbers: the whole field, decimal; a fault and `least` where the field
  /// is no number or out of range.
  std::string_view text(CsvColumn column) const;
  std::int64_t integer(CsvColumn column, std::int64_t least, std::int64_t most);
  double number(CsvColumn column, double least, double most);
  /// number x scale, rounded half away from zero.
  std::int64_t scaled(CsvColumn column, double scale, double least, double most);
  TimePoint time(CsvColumn column);

  /// Keeps a fault at a field of this row, unless there is one already.
  void fail(CsvColumn column, std::string_view message);
  bool failed() const { return fault_.has_value(); }
  Result<void> finish() const;

 private:
  bool split();
  std::optional<std::string_view> quoted(std::string_view row, std::size_t& at);

  std::string_view text_;
  std::string file_;
  char separator_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0;
  std::vector<std::string_view> names_, fields_;
  std::deque<std::string> unquoted_names_, unquoted_;  // of these: what is not in the text as it is
  std::vector<std::string> asked_;
  std::size_t width_ = 0;  // of the first row; 0: none was read
  std::optional<Error> fault_;
};

/// As RFC 4180 writes a field: in quotes if it holds a comma, a quote or a line end.
std::string csv_field(std::string_view text);

/// RFC 3339, and the same without seconds ("2022-01-01T00:00Z").
Result<TimePoint> parse_time_field(std::string_view text);

}  // namespace millrace::twin
