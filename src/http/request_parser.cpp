#include "http/request_parser.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>

#include "base/header_text.hpp"

namespace pebbles::http {

using boost::beast::http::error;
using boost::beast::http::verb;

int RequestParser::parse_head(std::string_view head, const FramingLimits& limits) {
  base_ = head.data();
  head_size_ = head.size();
  header_limit(static_cast<std::uint32_t>(limits.head_bytes_max + 1));  // judged by whoever found the head's end
  body_limit(boost::none);                                              // judged when the body is asked for
  ErrorCode failed;
  const auto taken = put({head.data(), head.size()}, failed);
  if (target_.size > limits.target_bytes_max) return 414;
  if (refusal_ != 0) return refusal_;
  if (failed == error::bad_version) {
    // A version that is written like one, as in HTTP/2's preface, gets told; anything else is garbage.
    const auto line = head.substr(0, head.find("\r\n"));
    return line.size() > 9 && line.substr(line.size() - 9, 6) == " HTTP/" ? 505 : 400;
  }
  if (failed || taken != head.size() || !framing_is_clear()) return 400;
  if (!known_method_) return 501;
  return 0;
}

int RequestParser::judge_incomplete(std::string_view head, const FramingLimits& limits) {
  const auto line_end = head.find("\r\n");
  auto line = head.substr(0, line_end);
  if (line_end == head.npos && line.ends_with('\r')) line.remove_suffix(1);  // half of the end
  if (line.size() > limits.target_bytes_max + 64) return 414;
  if (head.size() >= limits.head_bytes_max) return 431;
  if (line_end != head.npos && line.find(" HTTP/") == line.npos) return 400;
  for (std::size_t i = 0; i < head.size(); ++i)
    if (head[i] == '\0' || (head[i] == '\n' && (i == 0 || head[i - 1] != '\r'))) return 400;
  return 0;
}

bool RequestParser::framing_is_clear() const {
  const auto hosts = count_of("Host");
  if (hosts > 1 || (hosts == 0 && version_ == 11)) return false;
  const auto lengths = count_of("Content-Length");
  const auto length = field("Content-Length");
  if (lengths > 1 || (lengths == 1 && (length.empty() || length.find_first_not_of("0123456789") != length.npos)))
    return false;
  const auto encodings = count_of("Transfer-Encoding");
  if (encodings == 0) return true;
  return encodings == 1 && lengths == 0 && version_ == 11 && equal_ignoring_case(field("Transfer-Encoding"), "chunked");
}

std::size_t RequestParser::parse_body(std::string_view bytes, std::string& body, std::size_t bytes_max, int& status) {
  body_ = &body;
  body_bytes_max_ = bytes_max;
  eager(true);
  ErrorCode failed;
  std::size_t taken = 0;
  while (taken < bytes.size() && !is_done() && !failed)
    taken += put({bytes.data() + taken, bytes.size() - taken}, failed);
  if (failed == error::body_limit)
    status = 413;
  else if (failed && failed != error::need_more)
    status = 400;
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
    refusal_ = 400;
  } else if (field_count_ == fields_max) {
    refusal_ = 431;
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
