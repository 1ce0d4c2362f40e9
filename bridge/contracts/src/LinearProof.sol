// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// The equation of the linear solvency proof for one account, over the precompiles of EIP-2537: 13 points and two pairings
/// for a statement of one column of digits, three points more for each further column.
///
/// `words` are an epoch's keys, `leaf` the account's leaf, `proof` the rounds of the prover, each exactly as the network's
/// `proofs.onchain` writes them; symbols are those of its notes. The caller checks that keys and leaf are certified.
library LinearProof {
    address private constant G1_ADD = address(0x0b);
    address private constant G1_MSM = address(0x0c);
    address private constant PAIRING = address(0x0f);

    /// The order p of the groups.
    uint256 internal constant P = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
    /// n, the order of the domain, ω, and 1/n.
    uint256 internal constant SIZE = 2048;
    uint256 private constant SIZE_BITS = 11;
    uint256 private constant OMEGA = 0x6d031f1b5c49c83409f1ca610a08f16655ea6811be9c622d4a838b5d59cd79e5;
    uint256 private constant INVERSE_SIZE = 0x73df299e3f3849988a3370cd08a0a3ca53132c4e7f9e5c33801fffff00200001;
    uint256 internal constant TABLE = 256;

    /// Offsets in the keys' words, the leaf and the proof, and their sizes without the part of each column.
    uint256 internal constant KEYS_CONSTANT = 288;
    uint256 internal constant KEYS_SIGMA = 320;
    uint256 internal constant KEYS_POINTS = 384;
    uint256 internal constant KEYS_BYTES = 512;
    uint256 internal constant KEYS_COLUMN_BYTES = 128;
    uint256 internal constant LEAF_PRESENTER = 64;
    uint256 internal constant LEAF_W = 96;
    uint256 internal constant LEAF_D = 224;
    uint256 internal constant LEAF_BYTES = 224;
    uint256 internal constant LEAF_COLUMN_BYTES = 128;
    uint256 internal constant PROOF_BYTES = 864;
    uint256 internal constant PROOF_COLUMN_BYTES = 192;
    uint256 private constant POINT = 128;
    /// A point and its scalar.
    uint256 private constant TERM = 160;

    /// SHA-256 of "crossclear/onchain/linear/v1".
    bytes32 private constant PROTOCOL = 0x0a27fe95876267abd3f35d7d7fd7d071c2ac496d1e2e7d2e940685fa25fe3d78;

    bytes private constant GENERATOR =
        hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";
    /// [T]: the commitment to the byte table, T(ω^i) = i mod 256.
    bytes private constant TABLE_POINT =
        hex"0000000000000000000000000000000008cd108ae0bf11c00368eae3279730919317d6dbf4071044145eedf169191137ae5fdfc4e99587847bb8f61589623fc9"
        hex"00000000000000000000000000000000177317fba5755c288cc86bd4f98a868420781628ab9d62e7e4c6aca71c3aabba7a4730c13002b482a61b68778c0f9250";
    /// [τ]₂ of the Ethereum KZG ceremony.
    bytes private constant TAU_2 =
        hex"00000000000000000000000000000000185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
        hex"0000000000000000000000000000000015bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
        hex"00000000000000000000000000000000014353bdb96b626dd7d5ee8599d1fca2131569490e28de18e82451a496a9c9794ce26d105941f383ee689bfbbb832a99"
        hex"000000000000000000000000000000001666c54b0a32529503432fcae0181b4bef79de09fc63671fda5ed1ba9bfa07899495346f3d7ac9cd23048ef30d0a154f";
    /// The generator of G2, negated.
    bytes private constant NEGATIVE_2 =
        hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
        hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed";

    struct Challenges {
        uint256 alpha;
        uint256 beta;
        uint256 delta;
        uint256 gamma;
        uint256 zeta;
        uint256 r;
        uint256 mu;
    }

    error BadScalar(uint256 value);
    error BadChallenge();
    error PointAtInfinity();
    /// A point that is not canonical, not on the curve or outside the subgroup; or a chain without the precompile.
    error PrecompileFailed(address precompile);

    /// Whether the proof holds. Lengths must have been checked: `KEYS_BYTES`, `LEAF_BYTES`, `PROOF_BYTES`, and `columns` times
    /// the part of each column.
    function holds(
        bytes calldata words,
        bytes calldata leaf,
        bytes calldata proof,
        uint256 columns,
        bytes32 keysHash,
        bytes32 leafHash
    ) internal view returns (bool) {
        Challenges memory drawn = _draw(proof, columns, keysHash, leafHash);
        uint256 size = (10 + 3 * columns) * TERM;
        bytes memory terms = new bytes(size);
        uint256 place;
        assembly ("memory-safe") {
            place := add(terms, 32)
        }
        uint256 constant_;
        (place, constant_) = _opened(place, words, leaf, proof, columns, drawn.r);
        (place, constant_) = _linearised(place, constant_, words, leaf, proof, columns, drawn);
        _putConstant(place, GENERATOR, constant_);

        bytes memory left = _left(proof, PROOF_BYTES + PROOF_COLUMN_BYTES * columns, drawn.mu);
        bytes memory right = _call(G1_MSM, terms, POINT);
        bytes memory pairs = bytes.concat(left, TAU_2, right, NEGATIVE_2);
        return abi.decode(_call(PAIRING, pairs, 32), (uint256)) == 1;
    }

    function _draw(bytes calldata proof, uint256 columns, bytes32 keysHash, bytes32 leafHash)
        private
        pure
        returns (Challenges memory drawn)
    {
        uint256 looked = POINT + POINT * (columns + 1);
        uint256 divided = looked + 2 * POINT;
        uint256 claimed = divided + 32 * (2 * columns + 3);
        bytes32 state = sha256(abi.encodePacked(PROTOCOL, keysHash, leafHash));
        state = sha256(bytes.concat(state, proof[:POINT]));
        (drawn.alpha, drawn.beta) = _both(state);
        // α + T must not vanish on the domain.
        if (drawn.alpha == 0 || P - drawn.alpha < TABLE) revert BadChallenge();
        state = sha256(bytes.concat(state, proof[POINT:looked]));
        (drawn.delta, drawn.gamma) = _both(state);
        state = sha256(bytes.concat(state, proof[looked:divided]));
        drawn.zeta = uint256(state) % P;
        state = sha256(bytes.concat(state, proof[divided:claimed]));
        drawn.r = uint256(state) % P;
        state = sha256(bytes.concat(state, proof[claimed:]));
        drawn.mu = uint256(state) % P;
    }

    function _both(bytes32 state) private pure returns (uint256 one, uint256 two) {
        return (uint256(state) % P, uint256(sha256(bytes.concat(state))) % P);
    }

    /// Terms of D…, U…, V, T under r, r², …; the constant is minus their claimed values.
    function _opened(
        uint256 place,
        bytes calldata words,
        bytes calldata leaf,
        bytes calldata proof,
        uint256 columns,
        uint256 r
    ) private pure returns (uint256, uint256 constant_) {
        uint256 evaluations = POINT * (4 + columns);
        uint256 weight = r;
        uint256 sum;
        for (uint256 i = 0; i < 2 * columns + 2; i++) {
            sum = addmod(sum, mulmod(weight, _scalar(proof, evaluations + 32 * i), P), P);
            if (i < columns) place = _put(place, leaf, LEAF_D + POINT * i, weight);
            else if (i <= 2 * columns) place = _put(place, words, KEYS_POINTS + POINT * (i - columns), weight);
            else place = _putConstant(place, TABLE_POINT, weight);
            weight = mulmod(weight, r, P);
        }
        return (place, P - sum);
    }

    /// Terms of f…, m, W, S, t1, t2, π_1, π_2, and what they add to the constant.
    function _linearised(
        uint256 place,
        uint256 constant_,
        bytes calldata words,
        bytes calldata leaf,
        bytes calldata proof,
        uint256 columns,
        Challenges memory drawn
    ) private pure returns (uint256, uint256) {
        uint256 evaluations = POINT * (4 + columns);
        uint256 claimed;
        {
            uint256 weight = 1;
            for (uint256 i = 0; i < columns; i++) {
                uint256 digit = _scalar(proof, evaluations + 32 * i);
                claimed = addmod(claimed, mulmod(_scalar(proof, evaluations + 32 * (columns + i)), digit, P), P);
                uint256 factor = weight;
                if (i == 0) factor = addmod(drawn.alpha, _scalar(proof, evaluations + 64 * columns + 32), P);
                constant_ = addmod(constant_, P - factor, P);
                factor = mulmod(factor, addmod(drawn.alpha, digit, P), P);
                place = _put(place, proof, POINT * (1 + i), addmod(factor, P - drawn.gamma, P));
                weight = mulmod(weight, drawn.delta, P);
            }
        }
        place = _put(place, proof, 0, addmod(drawn.alpha, _scalar(proof, evaluations), P));
        {
            uint256 gammaBeta = mulmod(drawn.gamma, drawn.beta, P);
            place = _put(place, leaf, LEAF_W, mulmod(gammaBeta, _scalar(proof, evaluations + 64 * columns), P));
            uint256 c = addmod(_scalar(words, KEYS_CONSTANT), mulmod(_scalar(words, KEYS_SIGMA), _word(leaf, 32), P), P);
            c = addmod(mulmod(c, INVERSE_SIZE, P), P - claimed, P);
            constant_ = addmod(constant_, mulmod(gammaBeta, c, P), P);
        }
        {
            uint256 difference = addmod(drawn.mu, P - drawn.gamma, P);
            place = _put(place, proof, POINT * (1 + columns), difference);
            uint256 sum = _scalar(proof, evaluations + 64 * columns + 64);
            constant_ = addmod(constant_, mulmod(P - difference, sum, P), P);
        }
        uint256 zeta = drawn.zeta;
        {
            uint256 power = zeta;
            for (uint256 i = 0; i < SIZE_BITS; i++) {
                power = mulmod(power, power, P);
            }
            uint256 vanishing = addmod(power, P - 1, P);
            if (vanishing == 0) revert BadChallenge();
            place = _put(place, proof, POINT * (2 + columns), P - vanishing);
            power = mulmod(power, mulmod(zeta, zeta, P), P);
            place = _put(place, proof, POINT * (3 + columns), P - mulmod(vanishing, power, P));
        }
        uint256 openings = evaluations + 64 * columns + 96;
        place = _put(place, proof, openings, zeta);
        place = _put(place, proof, openings + POINT, mulmod(drawn.mu, mulmod(OMEGA, zeta, P), P));
        return (place, constant_);
    }

    /// π_1 + μπ_2, which end the proof.
    function _left(bytes calldata proof, uint256 end, uint256 mu) private view returns (bytes memory) {
        bytes memory scaled = _call(G1_MSM, bytes.concat(proof[end - POINT:end], bytes32(mu)), POINT);
        return _call(G1_ADD, bytes.concat(proof[end - 2 * POINT:end - POINT], scaled), POINT);
    }

    /// Write a point of calldata and its scalar; the precompile checks the point, except for infinity.
    function _put(uint256 place, bytes calldata source, uint256 offset, uint256 scalar) private pure returns (uint256) {
        bool zero;
        assembly ("memory-safe") {
            calldatacopy(place, add(source.offset, offset), 128)
            mstore(add(place, 128), scalar)
            zero := iszero(or(or(mload(place), mload(add(place, 32))), or(mload(add(place, 64)), mload(add(place, 96)))))
        }
        if (zero) revert PointAtInfinity();
        return place + TERM;
    }

    function _putConstant(uint256 place, bytes memory point, uint256 scalar) private pure returns (uint256) {
        assembly ("memory-safe") {
            mcopy(place, add(point, 32), 128)
            mstore(add(place, 128), scalar)
        }
        return place + TERM;
    }

    function _scalar(bytes calldata source, uint256 offset) private pure returns (uint256 value) {
        value = _word(source, offset);
        if (value >= P) revert BadScalar(value);
    }

    function _word(bytes calldata source, uint256 offset) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(add(source.offset, offset))
        }
    }

    function _call(address precompile, bytes memory input, uint256 size) private view returns (bytes memory output) {
        bool ok;
        (ok, output) = precompile.staticcall(input);
        if (!ok || output.length != size) revert PrecompileFailed(precompile);
    }
}
