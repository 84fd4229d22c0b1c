// Written by `npm run generate` from openapi.json.

export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Health
         * @description The process runs and answers.
         */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Ready
         * @description The process can do its work: it is not about to stop, its tools work, and the database and the cache answer.
         */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Metrics
         * @description The metrics of this process, in the text format of Prometheus.
         */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Sessions
         * @description List the owner's sessions, the newest first.
         */
        get: operations["list_sessions"];
        put?: never;
        /**
         * Create Session
         * @description Start a conversation.
         */
        post: operations["create_session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete Session
         * @description Delete the session and its turns.
         */
        delete: operations["delete_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send Message
         * @description Send a message to the agent.
         *
         *     The message is stored before the model is called, so its turn can be read even after an error.
         */
        post: operations["send_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get History
         * @description List the session's turns, the oldest first.
         */
        get: operations["get_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/turns/{number}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Turn
         * @description Return a turn: its message and status, and its response or error once it has ended.
         */
        get: operations["get_turn"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/turns/{number}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Events
         * @description Stream the turn's events, whichever process runs it; a reader that reconnects continues where it stopped.
         */
        get: operations["get_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/turns/{number}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel Turn
         * @description Cancel the turn: stop the model and the tools.
         */
        post: operations["cancel_turn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/turns/{number}/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Approvals
         * @description List the turn's tool calls that need a person's approval, decided or not.
         */
        get: operations["list_approvals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/sessions/{session_id}/turns/{number}/approvals/{call_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Decide Approval
         * @description Approve or refuse a tool call. The turn continues once every pending call is decided.
         */
        post: operations["decide_approval"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Upload File
         * @description Store a file, the body of the request, for a message.
         *
         *     Its media type is read from the content: images (PNG, JPEG, GIF, WebP), PDF, and text in UTF-8. A file that no
         *     message has within 24 hours is deleted.
         */
        post: operations["upload_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/files/{file_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get File
         * @description Return what is known of a file: its name, media type and size, and the message that has it.
         */
        get: operations["get_file"];
        put?: never;
        post?: never;
        /**
         * Delete File
         * @description Delete a file that no message has. One in a message is deleted with its session.
         */
        delete: operations["delete_file"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/files/{file_id}/content": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Content
         * @description Download a file.
         */
        get: operations["get_content"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/budgets/{owner}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Budget
         * @description Return what an owner has used today, and their budgets.
         */
        get: operations["get_budget"];
        /**
         * Put Budget
         * @description Set the budgets of an owner.
         */
        put: operations["put_budget"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/notes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Notes
         * @description The notes that the agent keeps for you, oldest first.
         */
        get: operations["list_notes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * ApprovalRequired
         * @description The call waits for a person's decision.
         */
        ApprovalRequired: {
            /** Call Id */
            call_id: string;
            /** Name */
            name: string;
            /** Arguments */
            arguments: {
                [key: string]: unknown;
            };
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
        };
        /** ApprovalRequiredEvent */
        ApprovalRequiredEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "approval.required";
            data: components["schemas"]["ApprovalRequired"];
        };
        /** ApprovalView */
        ApprovalView: {
            /** Call Id */
            call_id: string;
            /** Name */
            name: string;
            /** Arguments */
            arguments: {
                [key: string]: unknown;
            };
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /** Approved */
            approved: boolean | null;
        };
        /** Approvals */
        Approvals: {
            /** Approvals */
            approvals: components["schemas"]["ApprovalView"][];
        };
        /**
         * BudgetIn
         * @description 0 is no limit, null the limit of the settings.
         */
        BudgetIn: {
            /**
             * Tokens Per Day
             * @description Tokens, in and out, of one day (UTC).
             */
            tokens_per_day?: number | null;
            /**
             * Usd Per Day
             * @description Costs of one day (UTC), in US dollars.
             */
            usd_per_day?: number | null;
        };
        /** DecisionIn */
        DecisionIn: {
            /**
             * Approved
             * @description Whether the call may run.
             */
            approved: boolean;
            /**
             * Note
             * @description The reason, shown to the model when the call is refused.
             */
            note?: string | null;
        };
        /**
         * FilePart
         * @description A file in a message, as it is stored with the turn and returned by the API. Its content is stored once.
         */
        FilePart: {
            /**
             * Type
             * @constant
             */
            type: "file";
            /**
             * File Id
             * Format: uuid
             */
            file_id: string;
            /** Name */
            name: string;
            /**
             * Media Type
             * @description Read from the content, never from what the client declared.
             */
            media_type: string;
            /**
             * Size
             * @description In bytes.
             */
            size: number;
        };
        /** FilePartIn */
        FilePartIn: {
            /**
             * Type
             * @constant
             */
            type: "file";
            /**
             * File Id
             * Format: uuid
             * @description The id that `POST /chat/files` returned. A file belongs to one message.
             */
            file_id: string;
        };
        /** Health */
        Health: {
            /** Status */
            status: string;
            /** Version */
            version: string;
            /**
             * Timestamp
             * Format: date-time
             */
            timestamp: string;
        };
        /** History */
        History: {
            /** History */
            history: components["schemas"]["TurnInHistory"][];
        };
        /** MessageIn */
        MessageIn: {
            /**
             * Text
             * @description At most MESSAGE_MAX_CHARACTERS long.
             */
            text: string;
            /**
             * Output Schema
             * @description A JSON Schema of the type `object`: the response is JSON that fits it.
             */
            output_schema?: {
                [key: string]: unknown;
            } | null;
            /**
             * Parts
             * @description At most MESSAGE_MAX_FILES files, each uploaded before.
             */
            parts?: components["schemas"]["FilePartIn"][];
        };
        /**
         * Note
         * @description A note, as its owner sees it.
         */
        Note: {
            /** Id */
            id: number;
            /** Text */
            text: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
        };
        /**
         * NoteList
         * @description The body of `GET /notes`.
         */
        NoteList: {
            /** Notes */
            notes: components["schemas"]["Note"][];
        };
        /** Readiness */
        Readiness: {
            /** Status */
            status: string;
            /** Checks */
            checks: {
                [key: string]: string;
            };
        };
        ServerSentEvent: {
            /** @constant */
            event: "approval.required";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "step.finished";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "step.started";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "text.delta";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "tool.called";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "tool.returned";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "turn.finished";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "turn.started";
            id?: string;
            data: string;
        } | {
            /** @constant */
            event: "problem";
            id?: string;
            data: string;
        };
        /** SessionCreated */
        SessionCreated: {
            /**
             * Session Id
             * Format: uuid
             */
            session_id: string;
        };
        /** SessionPage */
        SessionPage: {
            /** Sessions */
            sessions: components["schemas"]["SessionView"][];
            /**
             * Next Cursor
             * @description Pass it as `cursor` for the next page; null on the last.
             */
            next_cursor: string | null;
        };
        /** SessionView */
        SessionView: {
            /**
             * Session Id
             * Format: uuid
             */
            session_id: string;
            /**
             * Title
             * @description The beginning of the first message; null without one.
             */
            title: string | null;
            /** Turn Count */
            turn_count: number;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
        };
        /**
         * Spending
         * @description An owner's usage of today, and their daily limits; `None` is no limit.
         */
        Spending: {
            /** Tokens */
            tokens: number;
            /** Usd */
            usd: number;
            /** Tokens Per Day */
            tokens_per_day: number | null;
            /** Usd Per Day */
            usd_per_day: number | null;
        };
        /**
         * Status
         * @description The status of a turn. It only moves forward; a trigger of the database enforces that.
         * @enum {string}
         */
        Status: "queued" | "running" | "waiting_for_approval" | "succeeded" | "failed" | "cancelled";
        /**
         * StepFinished
         * @description The whole response.
         */
        StepFinished: {
            /** Step */
            step: number;
            /** Text */
            text: string;
        };
        /** StepFinishedEvent */
        StepFinishedEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "step.finished";
            data: components["schemas"]["StepFinished"];
        };
        /**
         * StepStarted
         * @description A model response begins; the pieces of this step that came before are void.
         */
        StepStarted: {
            /** Step */
            step: number;
        };
        /** StepStartedEvent */
        StepStartedEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "step.started";
            data: components["schemas"]["StepStarted"];
        };
        /**
         * StoredFile
         * @description An uploaded file, without its content.
         */
        StoredFile: {
            /**
             * File Id
             * Format: uuid
             */
            file_id: string;
            /** Name */
            name: string;
            /**
             * Media Type
             * @description Read from the content, never from what the client declared.
             */
            media_type: string;
            /**
             * Size
             * @description In bytes.
             */
            size: number;
            /**
             * Session Id
             * @description The session of the message that has the file; null until it is sent.
             */
            session_id: string | null;
            /**
             * Turn
             * @description The number of that message's turn.
             */
            turn: number | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
        };
        /**
         * TextDelta
         * @description A piece of the response.
         */
        TextDelta: {
            /** Step */
            step: number;
            /** Text */
            text: string;
        };
        /** TextDeltaEvent */
        TextDeltaEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "text.delta";
            data: components["schemas"]["TextDelta"];
        };
        /** ToolCalled */
        ToolCalled: {
            /** Step */
            step: number;
            /** Call Id */
            call_id: string;
            /** Name */
            name: string;
            /** Arguments */
            arguments: {
                [key: string]: unknown;
            };
        };
        /** ToolCalledEvent */
        ToolCalledEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "tool.called";
            data: components["schemas"]["ToolCalled"];
        };
        /** ToolReturned */
        ToolReturned: {
            /** Step */
            step: number;
            /** Call Id */
            call_id: string;
            /** Name */
            name: string;
            /** Content */
            content: string;
            /** Failed */
            failed: boolean;
        };
        /** ToolReturnedEvent */
        ToolReturnedEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "tool.returned";
            data: components["schemas"]["ToolReturned"];
        };
        /**
         * TurnError
         * @description Why a turn failed, as it is stored, streamed and returned by the API.
         */
        TurnError: {
            /** Type */
            type: string;
            /** Detail */
            detail: string;
            /**
             * Retry After
             * @description Seconds, where it is known.
             */
            retry_after: number | null;
            /**
             * Resets
             * @description Of a spent budget: when it starts again, a time or `next-turn`.
             */
            resets?: string | null;
        };
        TurnEvent: components["schemas"]["TurnStartedEvent"] | components["schemas"]["StepStartedEvent"] | components["schemas"]["TextDeltaEvent"] | components["schemas"]["ToolCalledEvent"] | components["schemas"]["StepFinishedEvent"] | components["schemas"]["ToolReturnedEvent"] | components["schemas"]["ApprovalRequiredEvent"] | components["schemas"]["TurnFinishedEvent"];
        /** TurnFinished */
        TurnFinished: {
            /** Turn */
            turn: number;
            status: components["schemas"]["Status"];
            /** Response */
            response: string | null;
            error: components["schemas"]["TurnError"] | null;
            /** Finish Reason */
            finish_reason: string | null;
            /** Output */
            output: {
                [key: string]: unknown;
            } | null;
            usage: components["schemas"]["Usage"];
        };
        /** TurnFinishedEvent */
        TurnFinishedEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "turn.finished";
            data: components["schemas"]["TurnFinished"];
        };
        /** TurnInHistory */
        TurnInHistory: {
            /**
             * Session Id
             * Format: uuid
             */
            session_id: string;
            /** Turn */
            turn: number;
            status: components["schemas"]["Status"];
            /** Message */
            message: string;
            /**
             * Parts
             * @description The files in the message.
             */
            parts: components["schemas"]["FilePart"][];
            /** Response */
            response: string | null;
            error: components["schemas"]["TurnError"] | null;
            /** Model */
            model: string | null;
            /**
             * Finish Reason
             * @description Why the response ended: `stop`, `length` when it was cut, or the provider's own word.
             */
            finish_reason: string | null;
            /**
             * Output
             * @description The response as an object, if the message had a schema for it.
             */
            output: {
                [key: string]: unknown;
            } | null;
            usage: components["schemas"]["Usage"];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Finished At */
            finished_at: string | null;
            /**
             * Steps
             * @description With `steps=true`: the events of the stored steps, each text in one piece.
             */
            steps?: (components["schemas"]["StepStartedEvent"] | components["schemas"]["TextDeltaEvent"] | components["schemas"]["ToolCalledEvent"] | components["schemas"]["StepFinishedEvent"] | components["schemas"]["ToolReturnedEvent"])[] | null;
        };
        /** TurnStarted */
        TurnStarted: {
            /** Turn */
            turn: number;
            /**
             * Attempt
             * @description How many processes have run the turn so far.
             */
            attempt: number;
        };
        /** TurnStartedEvent */
        TurnStartedEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            event: "turn.started";
            data: components["schemas"]["TurnStarted"];
        };
        /** TurnView */
        TurnView: {
            /**
             * Session Id
             * Format: uuid
             */
            session_id: string;
            /** Turn */
            turn: number;
            status: components["schemas"]["Status"];
            /** Message */
            message: string;
            /**
             * Parts
             * @description The files in the message.
             */
            parts: components["schemas"]["FilePart"][];
            /** Response */
            response: string | null;
            error: components["schemas"]["TurnError"] | null;
            /** Model */
            model: string | null;
            /**
             * Finish Reason
             * @description Why the response ended: `stop`, `length` when it was cut, or the provider's own word.
             */
            finish_reason: string | null;
            /**
             * Output
             * @description The response as an object, if the message had a schema for it.
             */
            output: {
                [key: string]: unknown;
            } | null;
            usage: components["schemas"]["Usage"];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Finished At */
            finished_at: string | null;
        };
        /** Usage */
        Usage: {
            /** Input Tokens */
            input_tokens: number;
            /** Output Tokens */
            output_tokens: number;
            /**
             * Estimated
             * @description Whether some of them are estimated, since the provider did not report them.
             */
            estimated: boolean;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process is alive. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Requests can be sent here. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description Send no requests here now. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every metric of the process. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    list_sessions: {
        parameters: {
            query?: {
                /** @description The maximum number of sessions. */
                limit?: number;
                /** @description `next_cursor` of the previous page. */
                cursor?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of sessions. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionPage"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    create_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The new session. `Location` is its history. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionCreated"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    delete_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    send_message: {
        parameters: {
            query?: never;
            header?: {
                /** @description text/event-stream to stream the turn. */
                accept?: string;
                /** @description respond-async to queue the turn (RFC 7240). */
                prefer?: string;
                /** @description Repeating a request under its key within 24 h is safe. */
                "idempotency-key"?: string | null;
            };
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MessageIn"];
            };
        };
        responses: {
            /** @description The turn once it has ended, or a stream of its events where `Accept` asks for that. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TurnView"];
                    "text/event-stream": unknown;
                };
            };
            /** @description Queued, or waiting for an approval; `Location` is the turn. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TurnView"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Content Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Internal Server Error */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Bad Gateway */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Gateway Timeout */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    get_history: {
        parameters: {
            query?: {
                /** @description Only turns with a higher number. */
                after?: number;
                /** @description The maximum number of turns. */
                limit?: number;
                /** @description Whether to add the events of the stored steps. */
                steps?: boolean;
            };
            header?: never;
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The turns of the session. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["History"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    get_turn: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
                /** @description The turn's number in its session, from 1. */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The current state of the turn. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TurnView"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    get_events: {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the last event seen: the stream continues after it. */
                "last-event-id"?: string | null;
            };
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
                /** @description The turn's number in its session, from 1. */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events of the turn, up to its end. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    cancel_turn: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
                /** @description The turn's number in its session, from 1. */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The cancelled turn. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TurnView"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    list_approvals: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
                /** @description The turn's number in its session, from 1. */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The calls in the order in which the model made them. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Approvals"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    decide_approval: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a session of the caller. */
                session_id: string;
                /** @description The turn's number in its session, from 1. */
                number: number;
                /** @description The id of a call in the list of approvals. */
                call_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DecisionIn"];
            };
        };
        responses: {
            /** @description The decision is stored. `Location` is the turn. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TurnView"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Content Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    upload_file: {
        parameters: {
            query: {
                /** @description The file's name, without a folder. */
                name: string;
            };
            header?: {
                /** @description Repeating an upload under its key within 24 h is safe. */
                "idempotency-key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": string;
            };
        };
        responses: {
            /** @description The stored file. `Location` is its address. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StoredFile"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Request Timeout */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Content Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    get_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a file of the caller. */
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file, without its content. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StoredFile"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    delete_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a file of the caller. */
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file is deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Conflict */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    get_content: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a file of the caller. */
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The content. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Not Found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    get_budget: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `sub` of the owner's tokens. */
                owner: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The usage of today and the budgets. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Spending"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    put_budget: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `sub` of the owner's tokens. */
                owner: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BudgetIn"];
            };
        };
        responses: {
            /** @description The usage of today and the new budgets. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Spending"];
                };
            };
            /** @description Bad Request */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Content Too Large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unsupported Media Type */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
    list_notes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NoteList"];
                };
            };
            /** @description Unauthorized */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Forbidden */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Unprocessable Content */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Too Many Requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
            /** @description Service Unavailable */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description urn:problem:<kind>, or about:blank when the status is enough. */
                        type: string;
                        title: string;
                        status: number;
                        detail?: string;
                        /** @description The address of the resource with the problem. */
                        instance?: string;
                        /** @description Of a spent budget: when it starts again, a time or `next-turn`. */
                        resets?: string;
                    };
                };
            };
        };
    };
}
