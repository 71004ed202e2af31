// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

contract CertificateRegistry {
    struct Certificate {
        string student;
        string title;
        uint256 issuedAt;
    }

    address public owner = msg.sender;
    uint256 public count;
    mapping(string => Certificate) private certificates;

    event Issued(string id, string student, string title);

    function issue(string calldata id, string calldata student, string calldata title) external {
        require(msg.sender == owner, "only the owner issues");
        require(certificates[id].issuedAt == 0, "certificate exists");
        certificates[id] = Certificate(student, title, block.timestamp);
        count++;
        emit Issued(id, student, title);
    }

    function read(string calldata id) external view returns (string memory, string memory, uint256) {
        Certificate storage found = certificates[id];
        return (found.student, found.title, found.issuedAt);
    }
}
