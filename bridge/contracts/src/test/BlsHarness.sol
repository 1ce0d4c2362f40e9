// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Bls12381} from "../Bls12381.sol";

/// Opens the library's parts to vectors that others wrote.
contract BlsHarness {
    function hashToG2(bytes calldata message, bytes calldata domain) external view returns (bytes memory) {
        return Bls12381.hashToG2(message, domain);
    }

    function addG1(bytes calldata a, bytes calldata b) external view returns (bytes memory) {
        bytes memory pair = bytes.concat(a, b);
        Bls12381.addInPlace(pair);
        return Bls12381.first(pair);
    }

    function verify(bytes calldata key, bytes calldata message, bytes calldata domain, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return Bls12381.verify(key, message, domain, signature);
    }
}
