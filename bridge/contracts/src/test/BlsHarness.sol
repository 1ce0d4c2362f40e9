// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Bls12381} from "../Bls12381.sol";

/// Opens the library's parts to vectors that others wrote.
contract BlsHarness {
    function hashToG2(bytes calldata message, bytes calldata domain) external view returns (bytes memory) {
        return Bls12381.hashToG2(message, domain);
    }

    function addG1(bytes calldata a, bytes calldata b) external view returns (bytes memory) {
        return Bls12381.add(a, b);
    }

    function negated(bytes calldata point) external pure returns (bytes memory) {
        return Bls12381.negated(point);
    }

    function verify(bytes calldata key, bytes calldata message, bytes calldata domain, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return Bls12381.verify(Bls12381.negated(key), message, domain, signature);
    }
}
