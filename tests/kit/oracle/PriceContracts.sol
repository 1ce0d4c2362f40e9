// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The functions of price contracts that an oracle reads, with answers that a test sets.
contract Aggregator {
    uint8 public decimals = 8;
    int192 public minAnswer = 1;
    int192 public maxAnswer = 10 ** 18;
    address public aggregator;
    uint80 roundId;
    int256 answer;
    uint256 startedAt;
    uint256 updatedAt;

    constructor() {
        aggregator = address(this);
    }

    function set(uint80 id, int256 value, uint256 started, uint256 updated) external {
        (roundId, answer, startedAt, updatedAt) = (id, value, started, updated);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (roundId, answer, startedAt, updatedAt, roundId);
    }
}

contract Pyth {
    struct Price {
        int64 price;
        uint64 conf;
        int32 expo;
        uint256 publishTime;
    }

    error StalePrice();
    error PriceFeedNotFound();

    mapping(bytes32 => Price) prices;
    mapping(bytes32 => Price) averages;

    function set(bytes32 id, int64 price, int64 average, uint64 conf, int32 expo, uint256 publishTime) external {
        prices[id] = Price(price, conf, expo, publishTime);
        averages[id] = Price(average, conf, expo, publishTime);
    }

    function getPriceNoOlderThan(bytes32 id, uint256 age) external view returns (Price memory) {
        return young(prices[id], age);
    }

    function getEmaPriceNoOlderThan(bytes32 id, uint256 age) external view returns (Price memory) {
        return young(averages[id], age);
    }

    function young(Price memory price, uint256 age) internal view returns (Price memory) {
        if (price.publishTime == 0) revert PriceFeedNotFound();
        if (block.timestamp > price.publishTime && block.timestamp - price.publishTime > age) revert StalePrice();
        return price;
    }
}

contract Token {
    uint8 public decimals;

    constructor(uint8 places) {
        decimals = places;
    }
}

contract Pool {
    address public token0 = address(new Token(6));
    address public token1 = address(new Token(18));
    uint32 remembers = 7200;
    int56[2] ticks;
    uint160[2] seconds_;

    function set(uint32 oldest, int56 begin, int56 end, uint160 first, uint160 last) external {
        remembers = oldest;
        ticks = [begin, end];
        seconds_ = [first, last];
    }

    function observe(uint32[] calldata ago) external view returns (int56[] memory, uint160[] memory) {
        require(ago.length == 2 && ago[1] == 0 && ago[0] <= remembers, "OLD");
        int56[] memory t = new int56[](2);
        uint160[] memory s = new uint160[](2);
        (t[0], t[1], s[0], s[1]) = (ticks[0], ticks[1], seconds_[0], seconds_[1]);
        return (t, s);
    }
}
