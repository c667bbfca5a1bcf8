#include "json/problem.hpp"

#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "json/parser.hpp"

namespace pebbles::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

/// What stands at a place, in words that repeat no more than a character of it.
std::string name_of(std::string_view text, std::size_t at) {
  if (at >= text.size()) return "the end of the text";
  const auto c = static_cast<unsigned char>(text[at]);
  if (c == '\'') return "an apostrophe";
  if (c > 0x20 && c < 0x7f) return fmt::format("'{}'", text[at]);
  if (c < 0x80) return fmt::format("the character U+{:04X}", static_cast<unsigned>(c));
  return "a character that is not ASCII";
}

/// Where the first byte stands that cannot be UTF-8. Precondition: there is one.
std::size_t first_bad_byte(std::string_view text) {
  std::size_t good = 0;
  std::size_t bad = text.size();  // so much is not valid, or ends within a character
  while (bad - good > 1) {
    auto middle = good + (bad - good) / 2;
    while (middle > good && is_continuation(text[middle])) --middle;
    if (middle == good) break;
    if (simdjson::validate_utf8(text.data() + good, middle - good))
      good = middle;
    else
      bad = middle;
  }
  return good;
}

/// A byte order mark, or another encoding, which no JSON text may have (RFC 8259, section 8.1).
std::string_view encoding_problem(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return "it begins with a byte order mark (U+FEFF), which JSON must not have";
  if (text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE"))
    return "it begins with a byte order mark of UTF-16: it must be in UTF-8, without a mark";
  if (text.size() >= 2 && (text[0] == '\0' || text[1] == '\0')) return "it is in UTF-16 or UTF-32: it must be in UTF-8";
  return {};
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_{text} {}

  std::optional<Problem> run() {
    if (const auto wrong = encoding_problem(text_); !wrong.empty())
      return Problem{.kind = Problem::Kind::syntax, .offset = 0, .what = std::string{wrong}};
    if (std::ranges::all_of(text_, is_space))
      return Problem{.kind = Problem::Kind::syntax, .offset = 0, .what = "it is empty"};
    while (!syntax_ && next()) {
    }
    if (syntax_) return std::move(syntax_);
    if (!simdjson::validate_utf8(text_.data(), text_.size()))
      note(first_bad_byte(text_), "it is not UTF-8: found a byte that begins no character");
    return std::move(value_);
  }

 private:
  enum class Expect : std::uint8_t { value, value_or_end, name, name_or_end, colon, more_or_end, end };

  /// Takes the next token. False at the end of the text.
  bool next();
  bool fail(std::string_view expected, std::size_t at) {
    syntax_ = Problem{.kind = Problem::Kind::syntax,
                      .offset = at,
                      .what = fmt::format("expected {}, found {}", expected, name_of(text_, at))};
    return false;
  }
  /// Something is wrong with a value, of which the first counts.
  void note(std::size_t at, std::string what) {
    if (!value_ || at < value_->offset)
      value_ = Problem{.kind = Problem::Kind::value, .offset = at, .what = std::move(what)};
  }
  [[nodiscard]] char at(std::size_t place) const { return place < text_.size() ? text_[place] : '\0'; }
  [[nodiscard]] bool is_in_object() const { return open_.back(); }
  [[nodiscard]] std::string_view expectation() const;
  void value_is_over() { expect_ = open_.empty() ? Expect::end : Expect::more_or_end; }
  bool take_value(char c);
  bool open(bool is_object);
  bool close(char c);
  bool take_literal(std::string_view literal);
  bool take_number();
  void judge_number(std::string_view number, bool is_integer);
  bool take_string();
  void take_escape();
  [[nodiscard]] std::optional<unsigned> code_unit(std::size_t place) const;

  std::string_view text_;
  std::size_t at_ = 0;
  Expect expect_ = Expect::value;
  std::vector<bool> open_;  ///< what is open: an object, or an array
  std::optional<Problem> syntax_;
  std::optional<Problem> value_;
};

std::string_view Scanner::expectation() const {
  switch (expect_) {
    case Expect::value: return "a value";
    case Expect::value_or_end: return "a value or ']'";
    case Expect::name: return "a name in double quotes";
    case Expect::name_or_end: return "a name in double quotes or '}'";
    case Expect::colon: return "':' behind a name";
    case Expect::more_or_end: return is_in_object() ? "',' or '}'" : "',' or ']'";
    case Expect::end: return "the end of the text";
  }
  return "";
}

bool Scanner::next() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  if (at_ == text_.size()) return expect_ == Expect::end ? false : fail(expectation(), at_);
  const char c = text_[at_];
  switch (expect_) {
    case Expect::value: return take_value(c);
    case Expect::value_or_end: return c == ']' ? close(c) : take_value(c);
    case Expect::name_or_end:
      if (c == '}') return close(c);
      [[fallthrough]];
    case Expect::name:
      if (c != '"') return fail(expectation(), at_);
      expect_ = Expect::colon;
      return take_string();
    case Expect::colon:
      if (c != ':') return fail(expectation(), at_);
      expect_ = Expect::value;
      ++at_;
      return true;
    case Expect::more_or_end:
      if (c != ',') return close(c);
      expect_ = is_in_object() ? Expect::name : Expect::value;
      ++at_;
      return true;
    case Expect::end: return fail(expectation(), at_);
  }
  return false;
}

bool Scanner::take_value(char c) {
  if (c == '{' || c == '[') return open(c == '{');
  const auto expected = expectation();
  value_is_over();
  switch (c) {
    case '"': return take_string();
    case 't': return take_literal("true");
    case 'f': return take_literal("false");
    case 'n': return take_literal("null");
    default: break;
  }
  if (c == '-' || is_digit(c)) return take_number();
  return fail(expected, at_);
}

bool Scanner::open(bool is_object) {
  // As the parser counts: what is empty may be one level deeper.
  auto inside = at_ + 1;
  while (is_space(at(inside))) ++inside;
  const bool is_empty = at(inside) == (is_object ? '}' : ']');
  if (open_.size() + 1 >= depth_max && !is_empty)
    note(at_, fmt::format("it is nested more than {} levels deep", depth_max - 1));
  open_.push_back(is_object);
  expect_ = is_object ? Expect::name_or_end : Expect::value_or_end;
  ++at_;
  return true;
}

bool Scanner::close(char c) {
  if (c != (is_in_object() ? '}' : ']')) return fail(expectation(), at_);
  open_.pop_back();
  ++at_;
  value_is_over();
  return true;
}

bool Scanner::take_literal(std::string_view literal) {
  std::size_t same = 0;
  while (same < literal.size() && at(at_ + same) == literal[same]) ++same;
  if (same < literal.size()) return fail(literal, at_ + same);
  at_ += same;
  return true;
}

bool Scanner::take_number() {
  const auto begin = at_;
  if (at(at_) == '-') ++at_;
  const auto take_digits = [this] {
    const auto from = at_;
    while (is_digit(at(at_))) ++at_;
    return at_ > from;
  };
  const bool begins_with_zero = at(at_) == '0';
  if (begins_with_zero) ++at_;
  if (!begins_with_zero && !take_digits()) return fail("a digit", at_);
  if (begins_with_zero && is_digit(at(at_))) return fail("no digit behind a leading zero", at_);
  const auto integer_end = at_;
  if (at(at_) == '.') {
    ++at_;
    if (!take_digits()) return fail("a digit behind the decimal point", at_);
  }
  if (at(at_) == 'e' || at(at_) == 'E') {
    ++at_;
    if (at(at_) == '+' || at(at_) == '-') ++at_;
    if (!take_digits()) return fail("a digit in the exponent", at_);
  }
  judge_number(text_.substr(begin, at_ - begin), at_ == integer_end);
  return true;
}

/// What 64 bits cannot hold is refused (docs/api.md), however little it matters.
void Scanner::judge_number(std::string_view number, bool is_integer) {
  bool fits = false;
  if (is_integer) {
    std::int64_t negative = 0;
    std::uint64_t positive = 0;
    fits = std::from_chars(number.data(), number.data() + number.size(), negative).ec == std::errc{} ||
           std::from_chars(number.data(), number.data() + number.size(), positive).ec == std::errc{};
  } else {
    const auto value = std::strtod(std::string{number}.c_str(), nullptr);
    fits = value != HUGE_VAL && value != -HUGE_VAL;
  }
  if (!fits) note(at_ - number.size(), "a number is out of range: it must fit into 64 bits");
}

bool Scanner::take_string() {
  for (++at_; at_ < text_.size(); ++at_) {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') {
      ++at_;
      return true;
    }
    if (c < 0x20) note(at_, fmt::format("a string has {} in it, which must be escaped", name_of(text_, at_)));
    if (c == '\\') take_escape();
  }
  return fail("the '\"' that ends a string", text_.size());
}

/// From its backslash to its last character.
void Scanner::take_escape() {
  const auto begin = at_++;
  const char c = at(at_);
  if (c != 'u') {
    if (std::string_view{"\"\\/bfnrt"}.find(c) == std::string_view::npos || c == '\0')
      note(begin, fmt::format("a string has an unknown escape: a backslash and {}", name_of(text_, at_)));
    return;
  }
  const auto unit = code_unit(at_ + 1);
  if (!unit) return note(begin, "a string has an escape \\u without four hexadecimal digits");
  at_ += 4;
  if (*unit < 0xD800 || *unit > 0xDFFF) return;
  const bool pair_follows = *unit < 0xDC00 && at(at_ + 1) == '\\' && at(at_ + 2) == 'u';
  const auto low = pair_follows ? code_unit(at_ + 3) : std::nullopt;
  if (!low || *low < 0xDC00 || *low > 0xDFFF)
    return note(begin, fmt::format("a string has half of a surrogate pair: \\u{:04x}", *unit));
  at_ += 6;
}

std::optional<unsigned> Scanner::code_unit(std::size_t place) const {
  unsigned out = 0;
  if (place + 4 > text_.size()) return std::nullopt;
  const auto* const begin = text_.data() + place;
  const auto [end, error] = std::from_chars(begin, begin + 4, out, 16);
  if (error != std::errc{} || end != begin + 4) return std::nullopt;
  return out;
}

}  // namespace

std::optional<Problem> find_problem(std::string_view text) { return Scanner{text}.run(); }

std::string place_of(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, offset);
  const auto line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  const auto in_line = before.substr(line_begin);
  return fmt::format("line {}, column {}", 1 + std::ranges::count(before, '\n'),
                     1 + std::ranges::count_if(in_line, [](char c) { return !is_continuation(c); }));
}

}  // namespace pebbles::json
