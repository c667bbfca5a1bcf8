#include "http/asker.hpp"

#include <boost/asio/ip/address.hpp>

namespace pebbles::http {

std::string requester_of_address(std::string_view address) {
  boost::system::error_code failed;
  const auto parsed = boost::asio::ip::make_address(address, failed);
  if (failed || !parsed.is_v6()) return "address " + std::string{address};
  const auto whole = parsed.to_v6();
  if (whole.is_v4_mapped())
    return "address " + boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, whole).to_string();
  auto network = whole.to_bytes();
  std::fill(network.begin() + network.size() / 2, network.end(), 0);
  return "address " + boost::asio::ip::address_v6{network}.to_string() + "/64";
}

}  // namespace pebbles::http
