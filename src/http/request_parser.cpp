#include "http/request_parser.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>

#include "base/header_text.hpp"
#include "http/authority.hpp"

namespace pebbles::http {

using boost::beast::http::error;
using boost::beast::http::verb;

namespace {

constexpr std::string_view crlf = "\r\n";

/// "METHOD target HTTP/d.d" with one space between its parts (RFC 9112, section 3).
bool is_request_line(std::string_view line) {
  constexpr std::string_view version = " HTTP/1.1";
  if (line.size() <= version.size() || std::ranges::count(line, ' ') != 2) return false;
  const auto end = line.substr(line.size() - version.size());
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return end.starts_with(" HTTP/") && is_digit(end[6]) && end[7] == '.' && is_digit(end[8]);
}

void serve_as_1_1(std::span<char> head) {
  const std::string_view text{head.data(), head.size()};
  const auto size = text.find(crlf);
  if (size == text.npos || !is_request_line(text.substr(0, size)) || head[size - 3] != '1') return;
  if (head[size - 1] > '1') head[size - 1] = '1';
}

/// A list of codings that RFC 9112, section 6.1, allows, of which one is not known here: well-formed names, with
/// `chunked` once at most, and then last. Anything else could be read in two ways.
bool names_unknown_coding(std::string_view codings) {
  static constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";
  const auto is_token_character = [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || token_marks.contains(c);
  };
  bool was_chunked = false;
  while (!codings.empty()) {
    const auto coding = next_part(codings, ',');
    if (was_chunked || coding.empty() || !std::ranges::all_of(coding, is_token_character)) return false;
    was_chunked = equal_ignoring_case(coding, "chunked");
  }
  return true;
}

}  // namespace

Refusal RequestParser::parse_head(std::span<char> head_bytes, const FramingLimits& limits) {
  serve_as_1_1(head_bytes);
  const std::string_view head{head_bytes.data(), head_bytes.size()};
  base_ = head.data();
  head_size_ = head.size();
  header_limit(static_cast<std::uint32_t>(limits.head_bytes_max + 1));  // judged by whoever found the head's end
  body_limit(boost::none);                                              // judged when the body is asked for
  ErrorCode failed;
  const auto taken = put({head.data(), head.size()}, failed);
  if (target_.size > limits.target_bytes_max) return {.status = 414};
  if (refusal_) return refusal_;
  const auto line = head.substr(0, head.find(crlf));
  if (failed == error::bad_version) {
    // A version that is written like one, as in HTTP/2's preface, is named; anything else is garbage.
    if (is_request_line(line)) return {.status = 505};
    return {.status = 400, .why = "Bad request: the first line is not METHOD, target and HTTP/1.1 with single spaces"};
  }
  if (failed || taken != head.size()) return {.status = 400};
  if (const auto unclear = judge_framing()) return unclear;
  if (!known_method_) return {.status = 501};
  return {};
}

Refusal RequestParser::judge_incomplete(std::string_view head, const FramingLimits& limits) {
  const auto size = head.find(crlf);
  auto line = head.substr(0, size);
  if (size == head.npos && line.ends_with('\r')) line.remove_suffix(1);  // half of the end
  if (line.size() > limits.target_bytes_max + 64) return {.status = 414};
  if (head.size() >= limits.head_bytes_max) return {.status = 431};
  if (size != head.npos && line.find(" HTTP/") == line.npos) return {.status = 400};
  for (std::size_t i = 0; i < head.size(); ++i)
    if (head[i] == '\0' || (head[i] == '\n' && (i == 0 || head[i - 1] != '\r'))) return {.status = 400};
  return {};
}

Refusal RequestParser::judge_framing() const {
  const auto hosts = count_of("Host");
  if (hosts > 1 || (hosts == 0 && version_ == 11))
    return {.status = 400, .why = "Bad request: one Host header is needed"};
  // A request without an authority has an empty one (RFC 9112, section 3.2).
  if (const auto host = field("Host"); !host.empty() && !is_authority(host))
    return {.status = 400, .why = "Bad request: Host is not a host with an optional port"};
  const auto lengths = count_of("Content-Length");
  const auto length = field("Content-Length");
  if (lengths > 1 || (lengths == 1 && (length.empty() || length.find_first_not_of("0123456789") != length.npos)))
    return {.status = 400, .why = "Bad request: Content-Length is not one whole number"};
  const auto encodings = count_of("Transfer-Encoding");
  if (encodings == 0) return {};
  if (encodings > 1 || lengths > 0 || version_ != 11)
    return {.status = 400, .why = "Bad request: the body could end in two places"};
  const auto encoding = field("Transfer-Encoding");
  if (equal_ignoring_case(encoding, "chunked")) return {};
  if (!encoding.empty() && names_unknown_coding(encoding))
    return {.status = 501, .why = "Of transfer codings only chunked is implemented"};
  return {.status = 400, .why = "Bad request: Transfer-Encoding is not chunked"};
}

std::size_t RequestParser::parse_body(std::string_view bytes, std::string& body, std::size_t bytes_max,
                                      Refusal& refusal) {
  body_ = &body;
  body_bytes_max_ = bytes_max;
  eager(true);
  ErrorCode failed;
  std::size_t taken = 0;
  while (taken < bytes.size() && !is_done() && !failed)
    taken += put({bytes.data() + taken, bytes.size() - taken}, failed);
  if (failed == error::body_limit)
    refusal = {.status = 413};
  else if (failed && failed != error::need_more)
    refusal = {.status = 400, .why = "Bad request: the body is not framed as its head says"};
  return taken;
}

std::string_view RequestParser::field(std::string_view name) const {
  for (std::size_t i = 0; i < field_count_; ++i)
    if (fields_[i].name.size == name.size() && equal_ignoring_case(text_of(fields_[i].name), name))
      return text_of(fields_[i].value);
  return {};
}

std::size_t RequestParser::count_of(std::string_view name) const {
  std::size_t out = 0;
  for (std::size_t i = 0; i < field_count_; ++i)
    if (fields_[i].name.size == name.size() && equal_ignoring_case(text_of(fields_[i].name), name)) ++out;
  return out;
}

std::string RequestParser::combined(std::string_view name) const {
  std::string out;
  for (std::size_t i = 0; i < field_count_; ++i) {
    if (!equal_ignoring_case(text_of(fields_[i].name), name)) continue;
    if (!out.empty()) out += ", ";
    out += text_of(fields_[i].value);
  }
  return out;
}

RequestParser::Place RequestParser::place_of(BeastView text) const {
  return {.offset = static_cast<std::uint32_t>(text.data() - base_), .size = static_cast<std::uint32_t>(text.size())};
}

void RequestParser::on_request_impl(verb known, BeastView method, BeastView target, int version, ErrorCode&) {
  method_ = place_of(method);
  target_ = place_of(target);
  version_ = version;
  // CONNECT is for proxies; what no RFC names isn't implemented either. QUERY is younger than Beast's list. Of the rest
  // the router knows which a path has.
  known_method_ = (known != verb::unknown || method == "QUERY") && known != verb::connect;
}

/// Beast takes folded lines: it puts the value together in a buffer of its own, or, where the first line is empty, says
/// that it stands in the second. Other servers don't, and would see another framing (RFC 9112, section 5.2).
bool RequestParser::is_folded(BeastView name) const {
  const std::string_view head{base_, head_size_};
  const auto line_end = head.find('\n', place_of(name).offset);
  const auto next_line = head.substr(std::min(line_end, head.size() - 1) + 1);
  return next_line.starts_with(' ') || next_line.starts_with('\t');
}

void RequestParser::on_field_impl(boost::beast::http::field, BeastView name, BeastView value, ErrorCode& error) {
  if (head_is_done_) return;  // a trailer must not pass for a header
  if (is_folded(name)) {
    refusal_ = {.status = 400, .why = "Bad request: a header is folded over lines"};
  } else if (field_count_ == fields_max) {
    refusal_ = {.status = 431};
  } else {
    fields_[field_count_++] = {.name = place_of(name), .value = value.empty() ? Place{} : place_of(value)};
    return;
  }
  error = boost::beast::http::error::bad_field;
}

void RequestParser::append(BeastView bytes, ErrorCode& error) {
  if (bytes.size() > body_bytes_max_ - std::min(body_bytes_max_, body_->size()))
    error = boost::beast::http::error::body_limit;
  else
    body_->append(bytes.data(), bytes.size());
}

std::size_t RequestParser::on_body_impl(BeastView bytes, ErrorCode& error) {
  append(bytes, error);
  return bytes.size();
}

void RequestParser::on_chunk_header_impl(std::uint64_t size, BeastView extension, ErrorCode& error) {
  if (extension.find_first_of("\r\n") != BeastView::npos)
    error = boost::beast::http::error::bad_chunk_extension;  // where the line ends is a matter of taste: not here
  else if (size > body_bytes_max_ - std::min(body_bytes_max_, body_->size()))
    error = boost::beast::http::error::body_limit;
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, BeastView bytes, ErrorCode& error) {
  append(bytes, error);
  return bytes.size();
}

}  // namespace pebbles::http
