#pragma once
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pebbles::http {

struct FramingLimits {
  std::size_t head_bytes_max = 16UL << 10U;
  std::size_t target_bytes_max = 8UL << 10U;
};
inline constexpr std::size_t fields_max = 100;

/// Why a request cannot be served. After one, the connection can't be used for another request.
struct Refusal {
  int status = 0;             ///< 0: nothing is wrong
  std::string_view why = {};  ///< for the client, of static storage; "" for what the status says
  explicit operator bool() const { return status != 0; }
};

/// Frames one request with Boost.Beast's parser, and is stricter where Beast is lenient (RFC 9112, sections 3.2 and 5
/// to 7): one valid `Host`, one `Content-Length` of digits, `Transfer-Encoding` only as one `chunked` in HTTP/1.1, no
/// folded lines. Header fields are places in the head's bytes, not copies; what a trailer says is dropped. One object
/// per request.
class RequestParser final : public boost::beast::http::basic_parser<true> {
  using Base = boost::beast::http::basic_parser<true>;
  using BeastView = boost::beast::string_view;
  using ErrorCode = boost::beast::error_code;

 public:
  /// Refuses with 400, 414, 431, 501 or 505. `head_bytes` end with the empty line. A later minor version of HTTP/1 is
  /// served as 1.1 (RFC 9110, section 2.5); Beast does not know them, so the digit is changed in place. Call once,
  /// first.
  [[nodiscard]] Refusal parse_head(std::span<char> head_bytes, const FramingLimits& limits);

  /// For a head that is still incomplete: why to refuse it at once, or nothing to wait for more.
  [[nodiscard]] static Refusal judge_incomplete(std::string_view head, const FramingLimits& limits);

  /// Takes body bytes and returns how many; `is_done()` tells when the body is complete. `body` grows to `bytes_max`
  /// at most. `refusal` becomes 400 or 413 when the body can't be taken.
  std::size_t parse_body(std::string_view bytes, std::string& body, std::size_t bytes_max, Refusal& refusal);

  /// Says that the head's bytes now stand at `base`.
  void move_head(const char* base) { base_ = base; }

  [[nodiscard]] std::string_view method() const { return text_of(method_); }
  [[nodiscard]] std::string_view target() const { return text_of(target_); }
  [[nodiscard]] bool is_head_done() const { return head_is_done_; }
  [[nodiscard]] bool http10() const { return version_ == 10; }
  /// The first field of that name (any case), "" when absent.
  [[nodiscard]] std::string_view field(std::string_view name) const;
  [[nodiscard]] std::size_t count_of(std::string_view name) const;
  /// All fields of that name as one list, in order, with commas between (RFC 9110, section 5.3).
  [[nodiscard]] std::string combined(std::string_view name) const;

 private:
  struct Place {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  struct Field {
    Place name;
    Place value;
  };

  [[nodiscard]] Place place_of(BeastView text) const;
  [[nodiscard]] std::string_view text_of(Place place) const { return {base_ + place.offset, place.size}; }
  [[nodiscard]] Refusal judge_framing() const;
  [[nodiscard]] bool is_folded(BeastView name) const;
  void append(BeastView bytes, ErrorCode& error);

  void on_request_impl(boost::beast::http::verb, BeastView, BeastView, int, ErrorCode&) override;
  void on_response_impl(int, BeastView, int, ErrorCode&) override {}
  void on_field_impl(boost::beast::http::field, BeastView, BeastView, ErrorCode&) override;
  void on_header_impl(ErrorCode&) override { head_is_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView bytes, ErrorCode& error) override;
  void on_chunk_header_impl(std::uint64_t, BeastView extension, ErrorCode& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView bytes, ErrorCode& error) override;
  void on_finish_impl(ErrorCode&) override {}

  const char* base_ = nullptr;
  std::size_t head_size_ = 0;
  Place method_;
  Place target_;
  int version_ = 11;
  bool known_method_ = true;
  bool head_is_done_ = false;
  Refusal refusal_;  ///< that an `on_` function chose
  std::string* body_ = nullptr;
  std::size_t body_bytes_max_ = 0;
  std::size_t field_count_ = 0;
  std::array<Field, fields_max> fields_;
};

}  // namespace pebbles::http
